CREATE TABLE api_calls (
    call_id BIGINT,
    tenant STRING,
    body STRING,
    headers MAP<STRING,
    BYTES> METADATA
)
WITH ('connector' = 'kafka', 'topic' = 'api_calls', 'format' = 'json');

CREATE TABLE audited_calls (call_id BIGINT, headers MAP<STRING, BYTES> METADATA)
WITH ('connector' = 'kafka', 'topic' = 'audited_calls', 'format' = 'json');

-- What the headers say.
CREATE STREAM routed AS
SELECT
    call_id,
    HEADER('tenant') AS tenant,
    HEADER('origin') AS origin,
    HAS_HEADER('trace') AS traced
FROM api_calls
WHERE HEADER('tenant') <> 'test';

-- The header goes on with the record.
INSERT INTO audited_calls
SELECT call_id, MAP['tenant', headers['tenant'], 'audited', ENCODE('yes', 'UTF-8')]
FROM api_calls;

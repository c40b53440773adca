-- Headers and timestamps of records, read and written.
CREATE TABLE calls (
    id INT, note STRING, headers MAP<STRING NOT NULL, BYTES NOT NULL> METADATA,
    happened TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', kind STRING METADATA FROM 'timestamp-type' VIRTUAL
) WITH ('connector' = 'kafka', 'topic' = 'calls', 'value.format' = 'json', 'properties.bootstrap.servers' = '127.0.0.1:1');

CREATE TABLE answers (
    headers MAP<STRING NOT NULL, BYTES NOT NULL> METADATA, id INT, happened TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'
) WITH ('connector' = 'kafka', 'topic' = 'answers', 'value.format' = 'json', 'properties.bootstrap.servers' = '127.0.0.1:1');

CREATE STREAM traced AS
SELECT id, HEADER('trace') AS trace, HAS_HEADER('note') AS noted, HEADER_KEYS() AS header_names, kind,
    CAST(headers['origin'] AS STRING) AS origin
FROM calls WHERE HEADER('origin') = 'web'
WITH ('traced.type' = 'kafka_sink', 'traced.topic' = 'traced');

INSERT INTO answers
SELECT CASE WHEN id < 3 THEN MAP['trace', ENCODE(HEADER('trace'), 'UTF-8')] END, id, happened FROM calls;

-- The parts of a request that a web team counts by.
CREATE STREAM requests_in_parts AS
SELECT
    id,
    LOWER(PARSE_URL(url, 'HOST')) AS host,
    REGEXP_EXTRACT(url, '/item/([0-9]+)', 1) AS item,
    SPLIT_INDEX(agent, '/', 0) AS browser,
    CHAR_LENGTH(agent) AS agent_length,
    CONCAT_WS('-', UPPER(SUBSTRING(agent FROM 1 FOR 3)), item) AS tag
FROM page_requests;

-- Requests of robots, and of pages under /shop on any host.
CREATE STREAM robots AS
SELECT id
FROM page_requests
WHERE agent LIKE '%bot%' OR agent LIKE 'curl/_._';

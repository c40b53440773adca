CREATE TABLE requests_sent (
    request_id BIGINT,
    sent_at TIMESTAMP(3),
    WATERMARK FOR sent_at AS sent_at
)
WITH ('connector' = 'kafka', 'topic' = 'requests_sent', 'format' = 'json');

CREATE TABLE replies (
    request_id BIGINT,
    replied_at TIMESTAMP(3),
    WATERMARK FOR replied_at AS replied_at
)
WITH ('connector' = 'kafka', 'topic' = 'replies', 'format' = 'json');

-- Replies within five seconds. The bound on time lets go of requests that nobody will answer any more.
CREATE STREAM answered AS
SELECT q.request_id, TIMESTAMPDIFF(SECOND, q.sent_at, a.replied_at) AS seconds
FROM requests_sent q
JOIN replies a ON q.request_id = a.request_id
    AND a.replied_at BETWEEN q.sent_at AND q.sent_at + INTERVAL '5' SECOND;

-- The same question without a bound keeps every row forever.
CREATE TABLE answered_ever AS
SELECT q.request_id
FROM requests_sent q
JOIN replies a ON q.request_id = a.request_id;

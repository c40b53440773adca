CREATE TABLE gate_times (gate STRING, opened_s BIGINT, closed TIMESTAMP(3), checked TIMESTAMP(3))
WITH (
    'connector' = 'kafka',
    'topic' = 'gate_times',
    'format' = 'json',
    'timestamp.format.closed' = 'dd.MM.yyyy HH:mm',
    'event.time.field' = 'opened_s',
    'event.time.format' = 'epoch_seconds'
);

CREATE STREAM read_times AS
SELECT gate, opened_s, closed, checked
FROM gate_times;

CREATE TABLE openings AS
SELECT window_start PRIMARY KEY, COUNT(*) AS openings
FROM gate_times
WINDOW TUMBLING(5m)
EMIT FINAL;

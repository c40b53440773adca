-- People through each door, minute by minute.
CREATE TABLE people_per_minute AS
SELECT
    door PRIMARY KEY,
    window_start PRIMARY KEY,
    window_end,
    COUNT(*) AS events,
    SUM(people) AS people
FROM door_events
WINDOW TUMBLING(at, 1m)
GROUP BY door
EMIT FINAL;

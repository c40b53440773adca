CREATE STREAM severe AS
SELECT site, severity
FROM alarms
WHERE severity >= 3;

CREATE TABLE alarm_total AS
SELECT COUNT(*) AS alarms, SUM(severity) AS severity
FROM alarms;

CREATE TABLE alarms_per_hour AS
SELECT window_start PRIMARY KEY, COUNT(*) AS alarms
FROM alarms
WINDOW TUMBLING(at, 1h)
EMIT FINAL
WITH ('alarms.event.time.field' = 'at');

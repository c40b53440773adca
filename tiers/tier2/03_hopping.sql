-- The highest temperature of the last ten minutes, every five minutes.
CREATE TABLE recent_heat AS
SELECT
    engine PRIMARY KEY,
    window_start PRIMARY KEY,
    window_end,
    MAX(celsius) AS hottest,
    COUNT(*) AS readings
FROM engine_temperatures
WINDOW SLIDING(at, 10m, 5m)
GROUP BY engine
EMIT FINAL;

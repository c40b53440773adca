-- The same question twice. First: tell me when you are sure.
CREATE TABLE final_weights AS
SELECT depot PRIMARY KEY, window_start PRIMARY KEY, SUM(kilos) AS kilos
FROM parcel_scans
WINDOW TUMBLING(at, 1h)
GROUP BY depot
EMIT FINAL;

-- Second: tell me at once, and correct yourself.
CREATE TABLE running_weights AS
SELECT depot PRIMARY KEY, window_start PRIMARY KEY, SUM(kilos) AS kilos
FROM parcel_scans
WINDOW TUMBLING(at, 1h)
GROUP BY depot
EMIT CHANGES;

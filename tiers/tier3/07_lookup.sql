-- The reference table: a file, read before the first scan.
CREATE TABLE stations (code STRING, name STRING, zone INT)
WITH ('type' = 'file_source', 'path' = 'data/stations.csv', 'format' = 'csv');

-- Scans with the name of their station.
CREATE STREAM named_scans AS
SELECT g.ticket, s.name, s.zone
FROM gate_scans g
JOIN stations s ON g.station = s.code;

-- All scans; an unknown station is in zone 0.
CREATE STREAM zoned_scans AS
SELECT g.ticket, COALESCE(s.zone, 0) AS zone
FROM gate_scans g
LEFT JOIN stations s ON g.station = s.code;

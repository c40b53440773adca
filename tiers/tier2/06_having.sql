-- Drivers with three to seven points. A pardon is a fine with negative points.
CREATE TABLE watched AS
SELECT plate PRIMARY KEY, SUM(points) AS points
FROM fines
GROUP BY plate
HAVING SUM(points) >= 3 AND SUM(points) < 8;

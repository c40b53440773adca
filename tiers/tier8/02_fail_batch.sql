CREATE STREAM booked AS
SELECT transfer, CAST(euros AS DECIMAL(10, 2)) AS euros
FROM transfers_in;

CREATE TABLE booked_total AS
SELECT COUNT(*) AS transfers, SUM(euros) AS euros
FROM booked;

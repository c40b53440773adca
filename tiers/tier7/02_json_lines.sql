CREATE TABLE bookings (booking BIGINT, price DECIMAL(10, 2), guests BIGINT, paid BOOLEAN)
WITH ('connector' = 'kafka', 'topic' = 'bookings', 'format' = 'json');

CREATE STREAM read_bookings AS
SELECT booking, price, guests, paid
FROM bookings;

CREATE TABLE booking_total AS
SELECT COUNT(*) AS bookings, SUM(price) AS price
FROM bookings
WHERE price >= 0.10;

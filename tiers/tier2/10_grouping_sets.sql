-- Nights by city and stars, by city, and in all.
CREATE TABLE nights_by_level AS
SELECT city, stars, GROUPING_ID(city, stars) AS level, SUM(nights) AS nights
FROM hotel_nights
GROUP BY ROLLUP (city, stars);

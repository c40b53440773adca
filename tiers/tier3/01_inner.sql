-- Rides with the city of their driver.
CREATE TABLE city_rides AS
SELECT r.ride, d.city, r.fare
FROM rides r
JOIN drivers d ON r.driver = d.driver;

-- The same, for fares above the driver's minimum.
CREATE TABLE good_rides AS
SELECT r.ride, d.city
FROM rides r
JOIN drivers d ON r.driver = d.driver AND r.fare > d.minimum_fare;

-- Orders and revenue of each country, kept up to date.
CREATE TABLE revenue AS
SELECT
    country PRIMARY KEY,
    COUNT(*) AS orders,
    COUNT(amount) AS priced,
    SUM(amount) AS total,
    MIN(amount) AS least,
    MAX(amount) AS most,
    AVG(amount) AS mean
FROM orders
GROUP BY country;

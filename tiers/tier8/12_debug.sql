-- Cups of each drink in five minutes, for drinks that sell.
CREATE TABLE popular_drinks AS
SELECT drink PRIMARY KEY, window_start PRIMARY KEY, COUNT(*) AS cups
FROM coffee_orders
WINDOW TUMBLING(at, 5m)
WHERE drink <> 'water'
GROUP BY drink
HAVING COUNT(*) >= 2
EMIT FINAL;

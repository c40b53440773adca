-- Clicks on pages that lead to an order, from the home market, of people who stayed a while.
CREATE STREAM serious AS
SELECT click
FROM shop_clicks
WHERE page IN ('cart', 'checkout') AND country NOT IN ('US', 'CA') AND seconds BETWEEN 10 AND 300;

-- Short looks, or pages that nobody named. AND binds more tightly than OR.
CREATE STREAM noise AS
SELECT click
FROM shop_clicks
WHERE seconds < 2 OR page IS NULL AND country = 'DE';

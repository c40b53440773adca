-- All sales as one stream, in euros, with where they come from.
CREATE STREAM all_sales AS
SELECT article, CAST(cents AS DECIMAL(10, 2)) / 100 AS euros, 'web' AS origin
FROM web_sales
UNION ALL
SELECT article, euros, 'shop' AS origin
FROM shop_sales;

-- Every article that was sold anywhere, once.
CREATE TABLE articles AS
SELECT article
FROM web_sales
UNION
SELECT article
FROM shop_sales;

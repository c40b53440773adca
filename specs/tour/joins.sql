-- @app: joins
-- @description: A stream meets a table, another stream, itself

CREATE STREAM enriched AS
SELECT o.id, o.customer, c.name, o.amount * c.discount AS payable
FROM orders o JOIN customers c ON o.customer = c.id;

CREATE STREAM enriched_all AS
SELECT o.id, c.name, COALESCE(c.discount, 1.00) AS discount
FROM orders o LEFT JOIN customers c ON o.customer = c.id;

CREATE STREAM above_limit AS
SELECT o.id, c.name, o.amount
FROM orders o JOIN customers c ON o.customer = c.id AND o.amount > c.credit_limit;

CREATE TABLE spent AS
SELECT c.name AS name PRIMARY KEY, COUNT(*) AS orders, SUM(o.amount) AS total
FROM orders o JOIN customers c ON o.customer = c.id
GROUP BY c.name EMIT CHANGES;

-- Two streams: an order without payment shows at once, and is taken back when the payment comes.
CREATE TABLE paid_orders AS
SELECT o.id, o.amount, p.paid FROM orders o LEFT JOIN payments p ON o.id = p.order_id EMIT CHANGES;

-- The two dearest orders of every customer, kept up to date.
CREATE TABLE dearest AS
SELECT customer, id, amount, place
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY amount DESC) AS place FROM orders)
WHERE place <= 2;

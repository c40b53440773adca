CREATE TABLE customers (id BIGINT, city STRING)
WITH ('connector' = 'kafka', 'topic' = 'db.customers', 'format' = 'debezium-json');

CREATE TABLE customers_now AS
SELECT id, city
FROM customers;

CREATE TABLE per_city AS
SELECT city PRIMARY KEY, COUNT(*) AS customers
FROM customers
GROUP BY city;

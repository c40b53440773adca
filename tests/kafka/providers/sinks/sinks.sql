-- Sinks of all kinds. The addresses are of a broker that is not there: the run says where topics are.
CREATE STREAM copied AS
SELECT id, customer, amount, placed_at FROM orders WHERE amount > 10
WITH (
    'orders.type' = 'kafka_source',
    'orders.topic' = 'orders',
    'orders.bootstrap.servers' = '127.0.0.1:1',
    'orders.group.id' = 'finance',
    'copied.type' = 'kafka_sink',
    'copied.topic' = 'orders',
    'copied.bootstrap.servers' = '127.0.0.1:1',
    'copied.key.field' = 'customer',
    'copied.partitions' = '3'
);

CREATE STREAM as_csv AS
SELECT id, customer, amount, placed_at FROM orders
WITH (
    'orders.type' = 'kafka_source',
    'orders.topic' = 'orders',
    'as_csv.type' = 'kafka_sink',
    'as_csv.topic' = 'everything',
    'as_csv.format' = 'csv'
);

CREATE STREAM metadata AS
SELECT id, _topic AS topic, _offset AS place, _timestamp AS stamp, _key AS record_key FROM orders
WITH (
    'orders.type' = 'kafka_source',
    'orders.topic' = 'orders',
    'metadata.type' = 'kafka_sink',
    'metadata.topic' = 'everything'
);

CREATE TABLE totals AS
SELECT customer PRIMARY KEY, COUNT(*) AS orders, SUM(amount) AS amount FROM orders GROUP BY customer
EMIT CHANGES
WITH (
    'orders.type' = 'kafka_source',
    'orders.topic' = 'orders',
    'totals.type' = 'kafka_sink',
    'totals.topic' = 'totals'
);

CREATE TABLE changes AS
SELECT customer PRIMARY KEY, COUNT(*) AS orders FROM orders GROUP BY customer
EMIT CHANGES
WITH (
    'orders.type' = 'kafka_source',
    'orders.topic' = 'orders',
    'changes.type' = 'kafka_sink',
    'changes.topic' = 'changes',
    'changes.format' = 'debezium-json'
);

CREATE STREAM keyed AS
SELECT customer, id, amount FROM orders
WITH (
    'orders.type' = 'kafka_source',
    'orders.topic' = 'orders',
    'keyed.type' = 'kafka_sink',
    'keyed.topic' = 'keyed',
    'keyed.key.format' = 'json',
    'keyed.key.fields' = 'customer;id',
    'keyed.value.fields-include' = 'EXCEPT_KEY'
);

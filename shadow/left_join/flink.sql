-- Every order with its shipment; while there is none the row has NULLs, which are taken back when it comes.
CREATE TABLE orders (
  order_id BIGINT,
  customer STRING,
  region STRING,
  amount DECIMAL(10, 2),
  ordered_at TIMESTAMP(3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'shop.orders',
  'properties.bootstrap.servers' = 'kafka:9092',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json'
);

CREATE TABLE shipments (
  order_id BIGINT,
  carrier STRING,
  tracking STRING,
  cost DECIMAL(10, 2),
  shipped_at TIMESTAMP(3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'shop.shipments',
  'properties.bootstrap.servers' = 'kafka:9092',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json'
);

CREATE TABLE order_status (
  order_id BIGINT,
  customer STRING,
  region STRING,
  amount DECIMAL(10, 2),
  ordered_at TIMESTAMP(3),
  carrier STRING,
  tracking STRING,
  cost DECIMAL(10, 2),
  shipped_at TIMESTAMP(3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'shop.order_status',
  'properties.bootstrap.servers' = 'kafka:9092',
  'format' = 'debezium-json'
);

INSERT INTO order_status
SELECT o.order_id, o.customer, o.region, o.amount, o.ordered_at, s.carrier, s.tracking, s.cost, s.shipped_at
FROM orders AS o
LEFT JOIN shipments AS s ON o.order_id = s.order_id;

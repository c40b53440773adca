-- Orders with the payments that come within a quarter of an hour.
CREATE TABLE orders (
  order_id BIGINT,
  customer STRING,
  region STRING,
  amount DECIMAL(10, 2),
  ordered_at TIMESTAMP(3),
  WATERMARK FOR ordered_at AS ordered_at - INTERVAL '30' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'shop.orders',
  'properties.bootstrap.servers' = 'kafka:9092',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json'
);

CREATE TABLE payments (
  payment_id BIGINT,
  order_id BIGINT,
  paid_by STRING,
  paid DECIMAL(10, 2),
  paid_at TIMESTAMP(3),
  WATERMARK FOR paid_at AS paid_at - INTERVAL '30' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'shop.payments',
  'properties.bootstrap.servers' = 'kafka:9092',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json'
);

CREATE TABLE paid_orders (
  order_id BIGINT,
  payment_id BIGINT,
  customer STRING,
  region STRING,
  paid_by STRING,
  amount DECIMAL(10, 2),
  paid DECIMAL(10, 2),
  still_open DECIMAL(11, 2),
  ordered_at TIMESTAMP(3),
  paid_at TIMESTAMP(3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'shop.paid_orders',
  'properties.bootstrap.servers' = 'kafka:9092',
  'format' = 'json'
);

INSERT INTO paid_orders
SELECT o.order_id, p.payment_id, o.customer, o.region, p.paid_by, o.amount, p.paid, o.amount - p.paid, o.ordered_at, p.paid_at
FROM orders AS o
JOIN payments AS p
  ON o.order_id = p.order_id AND p.paid_at BETWEEN o.ordered_at AND o.ordered_at + INTERVAL '15' MINUTE;

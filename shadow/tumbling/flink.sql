-- What each region turns over in ten minutes. Orders come out of order, some too late for their window.
CREATE TABLE orders (
  order_id BIGINT,
  customer STRING,
  region STRING,
  amount DECIMAL(10, 2),
  weight DOUBLE,
  ordered_at TIMESTAMP(3),
  WATERMARK FOR ordered_at AS ordered_at - INTERVAL '5' MINUTE
) WITH (
  'connector' = 'kafka',
  'topic' = 'shop.orders',
  'properties.bootstrap.servers' = 'kafka:9092',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json'
);

CREATE TABLE region_turnover (
  region STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  orders BIGINT,
  turnover DECIMAL(38, 2),
  mean_weight DOUBLE,
  largest DECIMAL(10, 2)
) WITH (
  'connector' = 'kafka',
  'topic' = 'shop.region_turnover',
  'properties.bootstrap.servers' = 'kafka:9092',
  'format' = 'json'
);

INSERT INTO region_turnover
SELECT region, window_start, window_end, COUNT(*), SUM(amount), AVG(weight), MAX(amount)
FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ordered_at), INTERVAL '10' MINUTE))
GROUP BY region, window_start, window_end;

-- Receipts with the moment of processing and an identifier of their own: no two runs write the same.
CREATE TABLE purchases (
  purchase_id BIGINT,
  shop STRING,
  buyer STRING,
  total DECIMAL(10, 2),
  bought_at TIMESTAMP(3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'shop.purchases',
  'properties.bootstrap.servers' = 'kafka:9092',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json'
);

CREATE TABLE receipts (
  purchase_id BIGINT,
  shop STRING,
  buyer STRING,
  total DECIMAL(10, 2),
  tax DECIMAL(13, 4),
  bought_at TIMESTAMP(3),
  receipt STRING,
  processed_at TIMESTAMP(3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'shop.receipts',
  'properties.bootstrap.servers' = 'kafka:9092',
  'format' = 'json'
);

INSERT INTO receipts
SELECT purchase_id, shop, UPPER(buyer), total, total * 0.19, bought_at, UUID(), CAST(CURRENT_TIMESTAMP AS TIMESTAMP(3))
FROM purchases;

-- The balance of every account: an aggregate without a window, whose newest row of each account counts.
CREATE TABLE payments (
  payment_id BIGINT,
  account STRING,
  branch STRING,
  amount DECIMAL(10, 2),
  fee DOUBLE,
  note STRING,
  paid_at TIMESTAMP(3),
  WATERMARK FOR paid_at AS paid_at - INTERVAL '10' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'bank.payments',
  'properties.bootstrap.servers' = 'kafka:9092',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json'
);

CREATE TABLE balances (
  account STRING,
  branch STRING,
  payments BIGINT,
  balance DECIMAL(38, 2),
  smallest DECIMAL(10, 2),
  mean_fee DOUBLE,
  last_paid_at TIMESTAMP(3),
  PRIMARY KEY (account, branch) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'bank.balances',
  'properties.bootstrap.servers' = 'kafka:9092',
  'key.format' = 'json',
  'value.format' = 'json'
);

INSERT INTO balances
SELECT account, branch, COUNT(*), SUM(amount), MIN(amount), AVG(fee), MAX(paid_at)
FROM payments
WHERE note <> 'test'
GROUP BY account, branch;

-- The program of ../../running_totals, made wrong: the time of the last payment is in another zone.

SET 'emit.semantics' = 'flink';

CREATE TABLE payments (
    payment_id BIGINT,
    account STRING,
    branch STRING,
    amount DECIMAL(10, 2),
    fee DOUBLE,
    note STRING,
    paid_at TIMESTAMP(3),
    WATERMARK FOR paid_at AS paid_at - INTERVAL '10' SECOND
)
WITH (
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
)
WITH (
    'connector' = 'upsert-kafka',
    'topic' = 'bank.balances',
    'properties.bootstrap.servers' = 'kafka:9092',
    'key.format' = 'json',
    'value.format' = 'json'
);

-- @metric: flink_balances_payments
-- @metric_type: gauge
-- @metric_help: Number of rows of payments by account and branch (note <> 'test' only), of the group that changed last
-- @metric_field: payments
-- @metric: flink_balances_balance
-- @metric_type: gauge
-- @metric_help: Sum of amount of payments by account and branch (note <> 'test' only), of the group that changed last
-- @metric_field: balance
-- @metric: flink_balances_smallest
-- @metric_type: gauge
-- @metric_help: Least amount of payments by account and branch (note <> 'test' only), of the group that changed last
-- @metric_field: smallest
-- @metric: flink_balances_mean_fee
-- @metric_type: gauge
-- @metric_help: Average of fee of payments by account and branch (note <> 'test' only), of the group that changed last
-- @metric_field: mean_fee
INSERT INTO balances
SELECT
    account,
    branch,
    COUNT(*),
    SUM(amount),
    MIN(amount),
    AVG(fee),
    MAX(paid_at) + INTERVAL '1' HOUR
FROM payments
WHERE note <> 'test'
GROUP BY account, branch
EMIT CHANGES;

CREATE TABLE payment_states (
    payment STRING,
    state STRING,
    at TIMESTAMP(3),
    WATERMARK FOR at AS at - INTERVAL '10' SECOND
);

-- How each payment began.
CREATE STREAM first_states AS
SELECT payment, state, at
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY payment ORDER BY at) AS rn
    FROM payment_states
)
WHERE rn = 1;

-- How it stands.
CREATE TABLE last_states AS
SELECT payment, state, at
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY payment ORDER BY at DESC) AS rn
    FROM payment_states
)
WHERE rn = 1;

CREATE TABLE card_swipes (swipe BIGINT, amount BIGINT, fee BIGINT)
WITH ('connector' = 'kafka', 'topic' = 'card_swipes', 'format' = 'json');

-- What share of each payment went into the fee, in percent, cut off.
CREATE STREAM fee_shares AS
SELECT swipe, fee * 100 / amount AS percent
FROM card_swipes;

-- The same, where no payment can make a dead letter: NULL instead.
CREATE STREAM safe_fee_shares AS
SELECT swipe, fee * 100 / NULLIF(amount, 0) AS percent
FROM card_swipes;

CREATE TABLE card_uses (card STRING, amount DECIMAL(8, 2), at TIMESTAMP(3), WATERMARK FOR at AS at);

-- A tiny charge to try a stolen card, and right after it, in less than a minute, a large one.
CREATE STREAM probed_cards AS
SELECT *
FROM card_uses MATCH_RECOGNIZE (
    PARTITION BY card
    ORDER BY at
    MEASURES TINY.at AS tried_at, LARGE.amount AS taken
    ONE ROW PER MATCH
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (TINY LARGE)
    WITHIN INTERVAL '1' MINUTE
    DEFINE TINY AS TINY.amount < 1.00, LARGE AS LARGE.amount > 500.00
);

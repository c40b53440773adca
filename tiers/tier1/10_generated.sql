-- Every tip, half of it for the kitchen.
CREATE STREAM shared_tips AS
SELECT
    tip_id,
    waiter,
    amount / 2 AS kitchen,
    amount - amount / 2 AS own,
    COALESCE(note, 'unknown') AS paid_by
FROM tips;

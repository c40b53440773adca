-- Each level beside what its tank showed lately.
CREATE STREAM levels_in_context AS
SELECT
    tank,
    level,
    AVG(level) OVER (ROWS WINDOW BUFFER 3 ROWS PARTITION BY tank) AS usual,
    FIRST_VALUE(level) OVER (ROWS WINDOW BUFFER 2 ROWS PARTITION BY tank) AS before,
    COUNT(*) OVER (
        ROWS WINDOW BUFFER 10
        ROWS
        PARTITION BY tank EXPIRE AFTER INTERVAL '1' MINUTE
    ) AS in_a_minute
FROM tank_levels
WITH ('tank_levels.event.time.field' = 'at');

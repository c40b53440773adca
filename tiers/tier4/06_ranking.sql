-- The leader board of each course: the fewest strokes lead.
CREATE TABLE leader_board AS
SELECT course, player, strokes, ROW_NUMBER() OVER w AS line
FROM golf_rounds
WINDOW w AS (PARTITION BY course ORDER BY strokes);

-- The places among the last three rounds of a course, as they come in.
CREATE STREAM recent_places AS
SELECT
    player,
    strokes,
    ROW_NUMBER() OVER (ROWS WINDOW BUFFER 3 ROWS PARTITION BY course ORDER BY strokes) AS line,
    RANK() OVER (ROWS WINDOW BUFFER 3 ROWS PARTITION BY course ORDER BY strokes) AS place,
    DENSE_RANK() OVER (
        ROWS WINDOW BUFFER 3
        ROWS
        PARTITION BY course
        ORDER BY strokes
    ) AS dense_place
FROM golf_rounds;

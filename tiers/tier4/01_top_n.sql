-- The two best of each level, with their place.
CREATE TABLE best_of_level AS
SELECT level, player, score, place
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY level ORDER BY score DESC) AS place
    FROM game_scores
)
WHERE place <= 2;

-- The two best of all.
CREATE TABLE podium AS
SELECT player, score
FROM game_scores
ORDER BY score DESC
LIMIT 2;

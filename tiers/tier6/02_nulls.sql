CREATE TABLE by_person AS
SELECT
    person PRIMARY KEY,
    COUNT(*) AS answers,
    COUNT(points) AS graded,
    SUM(points) AS points,
    MIN(points) AS least
FROM answers
GROUP BY person;

CREATE TABLE with_team AS
SELECT a.person, p.team
FROM answers a
JOIN persons p ON a.person = p.person;

CREATE TABLE with_team_or_nobody AS
SELECT a.person, p.team
FROM answers a
JOIN persons p ON a.person IS NOT DISTINCT FROM p.person;

CREATE TABLE distinct_points AS
SELECT DISTINCT points
FROM answers;

CREATE STREAM not_seven AS
SELECT person, points
FROM answers
WHERE points <> 7;

CREATE TABLE best_answers AS
SELECT person, points
FROM answers
ORDER BY points DESC, question
LIMIT 2;

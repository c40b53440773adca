-- A view: a query with a name. It runs inside of those that read it.
CREATE VIEW real_calls AS
SELECT call_id, agent, seconds, rating
FROM support_calls
WHERE seconds >= 5 AND agent IS NOT NULL;

CREATE VIEW rated_calls AS
SELECT call_id, agent, rating
FROM real_calls
WHERE rating BETWEEN 1 AND 5;

CREATE TABLE agent_times AS
SELECT agent PRIMARY KEY, COUNT(*) AS calls, SUM(seconds) AS seconds
FROM real_calls
GROUP BY agent;

CREATE TABLE agent_ratings AS
SELECT agent PRIMARY KEY, COUNT(*) AS rated, SUM(rating) AS points
FROM rated_calls
GROUP BY agent;

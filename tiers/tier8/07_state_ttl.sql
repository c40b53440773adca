SET 'state.ttl' = '1 h';

-- Opens of each user; who stays away for an hour begins anew.
CREATE TABLE opens AS
SELECT user_name PRIMARY KEY, COUNT(*) AS opens
FROM app_opens
GROUP BY user_name;

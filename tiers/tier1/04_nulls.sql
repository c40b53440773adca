-- A name to call a user by, and what is known about the age.
CREATE STREAM greetings AS
SELECT
    user_id,
    COALESCE(NULLIF(TRIM(nickname), ''), email, 'stranger') AS greeting,
    age + 1 AS next_age,
    age = previous_age AS same_age,
    age IS NOT DISTINCT FROM previous_age AS same_or_unknown
FROM profiles;

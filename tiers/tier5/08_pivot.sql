-- Answers as columns, and what the district says.
CREATE TABLE result_by_district AS
SELECT
    district PRIMARY KEY,
    SUM(CASE WHEN answer = 'yes' THEN 1 ELSE 0 END) AS yes,
    SUM(CASE WHEN answer = 'no' THEN 1 ELSE 0 END) AS no,
    COUNT(*) FILTER (WHERE answer IS NULL OR answer NOT IN ('yes', 'no')) AS invalid,
    SUM(
        CASE WHEN by_mail THEN CASE answer WHEN 'yes' THEN 1 WHEN 'no' THEN -1 ELSE 0 END ELSE 0 END
    ) AS mail_lead,
    CASE WHEN yes > no THEN 'accepted' WHEN yes = no THEN 'tied' ELSE 'rejected' END AS outcome
FROM votes
GROUP BY district;

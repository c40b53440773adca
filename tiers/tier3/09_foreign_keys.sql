-- Withdrawals with the branch of their account; those of unknown accounts go to fraud.
CREATE TABLE known AS
SELECT w.withdrawal_id, a.branch, w.amount
FROM withdrawals w
JOIN accounts a ON w.account_id = a.account_id;

CREATE TABLE fraud AS
SELECT w.withdrawal_id, w.amount
FROM withdrawals w
WHERE NOT EXISTS (
        SELECT 1
        FROM accounts a
        WHERE a.account_id = w.account_id
    );

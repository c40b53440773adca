-- Logins of accounts that are blocked.
CREATE TABLE suspicious AS
SELECT login, account
FROM logins
WHERE account IN (
        SELECT account
        FROM blocked_accounts
    );

-- Logins of accounts without an urgent ticket.
CREATE TABLE calm AS
SELECT login
FROM logins l
WHERE NOT EXISTS (
        SELECT 1
        FROM tickets t
        WHERE t.account = l.account AND t.urgent
    );

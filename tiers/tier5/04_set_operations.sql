-- Invited, and came.
CREATE TABLE came AS
SELECT email
FROM invited
INTERSECT
SELECT email
FROM registered;

-- Invited, and not there yet.
CREATE TABLE missing AS
SELECT email
FROM invited
EXCEPT
SELECT email
FROM registered;

-- The same, counting invitations: who was invited twice and came once is missing once.
CREATE TABLE open_invitations AS
SELECT email
FROM invited
EXCEPT ALL
SELECT email
FROM registered;

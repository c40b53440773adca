-- What the books and the bank say about each reference, and whether they agree.
CREATE TABLE reconciliation AS
SELECT
    COALESCE(l.reference, b.reference) AS reference,
    l.amount AS booked,
    b.amount AS banked,
    CASE
        WHEN b.amount IS NULL THEN 'not at the bank'
        WHEN l.amount IS NULL THEN 'not in the books'
        WHEN l.amount = b.amount THEN 'agreed'
        ELSE 'differs'
    END AS verdict
FROM ledger_entries l
FULL JOIN bank_lines b ON l.reference = b.reference;

-- Only what has to be looked into.
CREATE TABLE open_questions AS
SELECT reference, verdict
FROM reconciliation
WHERE verdict <> 'agreed';

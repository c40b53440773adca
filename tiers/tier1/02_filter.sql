-- Transfers that somebody must look at: from 10 000 euros on, and not approved yet.
CREATE STREAM to_review AS
SELECT transfer_id, amount
FROM transfers
WHERE amount >= 10000 AND currency = 'EUR' AND approved IS NOT TRUE;

-- Small amounts in other currencies.
CREATE STREAM petty AS
SELECT transfer_id, currency
FROM transfers
WHERE amount < 10 AND currency <> 'EUR';

-- Receipts: some columns of a payment, renamed, and two that are computed.
CREATE STREAM receipts AS
SELECT payment_id, amount AS gross, amount - fee AS net, net * 100 AS net_cents
FROM card_payments;

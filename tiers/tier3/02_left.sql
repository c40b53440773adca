-- Every invoice, with its payment where there is one.
CREATE TABLE settled AS
SELECT i.invoice, i.due, s.paid
FROM invoices i
LEFT JOIN settlements s ON i.invoice = s.invoice;

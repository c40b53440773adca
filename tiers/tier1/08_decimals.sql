-- Lines of an invoice with 19 % tax, rounded by line.
CREATE STREAM taxed_lines AS
SELECT line, quantity * price AS net, ROUND(quantity * price * 0.19, 2) AS tax
FROM invoice_lines;

-- The same amount in binary floating point.
CREATE STREAM float_lines AS
SELECT line, quantity * price_as_double AS net
FROM invoice_lines;

CREATE STREAM per_piece AS
SELECT line, MOD(CAST(price * 100 AS INT), quantity) AS odd_cents, quantity / 2 AS half
FROM invoice_lines
WHERE quantity <> 0;

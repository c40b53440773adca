-- @udf: iban:valid_iban(STRING) RETURNS BOOLEAN

-- Customers whose account number cannot be right.
CREATE STREAM wrong_accounts AS
SELECT customer, iban
FROM bank_accounts
WHERE NOT valid_iban(iban);

-- The rates, as versions: each row replaces the one before it of its currency, from its time on.
CREATE TABLE exchange_rates (
    currency STRING,
    rate DECIMAL(8, 4),
    since TIMESTAMP(3),
    WATERMARK FOR since AS since,
    PRIMARY KEY (currency) NOT ENFORCED
);

CREATE TABLE card_charges (
    charge BIGINT,
    currency STRING,
    amount DECIMAL(10, 2),
    charged_at TIMESTAMP(3),
    WATERMARK FOR charged_at AS charged_at
);

-- Charges in euros, by the rate of the moment in which they happened.
CREATE STREAM in_euros AS
SELECT c.charge, r.rate, CAST(c.amount * r.rate AS DECIMAL(12, 2)) AS euros
FROM card_charges c
LEFT JOIN exchange_rates FOR SYSTEM_TIME AS OF c.charged_at AS r ON c.currency = r.currency;

-- Texts from an old system as numbers and dates; what is none becomes NULL.
CREATE STREAM typed_readings AS
SELECT meter, TRY_CAST(reading AS DECIMAL(8, 1)) AS reading, TRY_CAST(read_on AS DATE) AS read_on
FROM meter_texts;

-- The same, but a text that is no number is an error of its row.
CREATE STREAM strict_readings AS
SELECT meter, CAST(reading AS DECIMAL(8, 1)) AS reading
FROM meter_texts;

-- From numbers to text, and from a fraction to a whole number.
CREATE STREAM labels AS
SELECT
    meter,
    'M-' || CAST(meter AS STRING) AS label,
    CAST(TRY_CAST(reading AS DOUBLE) AS INT) AS whole
FROM meter_texts;

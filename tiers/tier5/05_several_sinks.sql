-- One stream into three topics: every value goes to exactly one of them.
CREATE TABLE accepted_values (meter STRING, kwh DECIMAL(8, 1));

CREATE TABLE rejected_values (meter STRING, reason STRING);
CREATE TABLE huge_values (meter STRING, kwh DECIMAL(8, 1));

EXECUTE STATEMENT SET BEGIN INSERT INTO accepted_values
SELECT meter, kwh
FROM meter_values
WHERE kwh >= 0 AND kwh < 1000;

INSERT INTO huge_values
SELECT meter, kwh
FROM meter_values
WHERE kwh >= 1000;

INSERT INTO rejected_values
SELECT meter, CASE WHEN kwh IS NULL THEN 'no value' ELSE 'negative' END AS reason
FROM meter_values
WHERE kwh IS NULL OR kwh < 0;

END;

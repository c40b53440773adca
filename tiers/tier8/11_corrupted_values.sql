CREATE TABLE body_temperatures (
    patient BIGINT NOT NULL,
    celsius DECIMAL(5, 1) NOT NULL,
    nurse STRING NOT NULL
)
WITH ('connector' = 'kafka', 'topic' = 'body_temperatures', 'format' = 'json');

-- What can be believed.
CREATE STREAM plausible AS
SELECT patient, celsius, nurse
FROM body_temperatures
WHERE celsius BETWEEN 30.0 AND 45.0;

-- What somebody must look at.
CREATE STREAM implausible AS
SELECT patient, celsius
FROM body_temperatures
WHERE celsius < 30.0 OR celsius > 45.0;

CREATE TABLE tolls_json (plate STRING, axles BIGINT, toll DECIMAL(8, 2), passed_at TIMESTAMP(3))
WITH ('connector' = 'kafka', 'topic' = 'tolls_json', 'format' = 'json');

-- JSON to Avro, Avro to CSV, CSV to JSON with decimals as text: three stations, each with its own format.
CREATE TABLE tolls_avro (plate STRING, axles BIGINT, toll DECIMAL(8, 2), passed_at TIMESTAMP(3))
WITH ('connector' = 'kafka', 'topic' = 'tolls_avro', 'format' = 'avro');

CREATE TABLE tolls_csv (plate STRING, axles BIGINT, toll DECIMAL(8, 2), passed_at TIMESTAMP(3))
WITH ('connector' = 'kafka', 'topic' = 'tolls_csv', 'format' = 'csv', 'csv.null-literal' = 'n/a');

CREATE TABLE tolls_text (plate STRING, axles BIGINT, toll DECIMAL(8, 2), passed_at TIMESTAMP(3))
WITH ('connector' = 'kafka', 'topic' = 'tolls_text', 'format' = 'json', 'json.decimal' = 'string');

INSERT INTO tolls_avro
SELECT plate, axles, toll, passed_at
FROM tolls_json;

INSERT INTO tolls_csv
SELECT plate, axles, toll, passed_at
FROM tolls_avro;

INSERT INTO tolls_text
SELECT plate, axles, toll, passed_at
FROM tolls_csv
WHERE axles >= 2;

CREATE TABLE stock_counts (article STRING, pieces BIGINT, note STRING)
WITH (
    'connector' = 'kafka',
    'topic' = 'stock_counts',
    'format' = 'csv',
    'csv.field-delimiter' = ';'
);

CREATE STREAM doubled AS
SELECT article, pieces * 2 AS pieces, COALESCE(note, 'none') AS note
FROM stock_counts
WITH ('doubled.type' = 'file_sink', 'doubled.path' = 'out/doubled.csv', 'doubled.format' = 'csv');

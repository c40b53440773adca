CREATE TABLE `t` (k STRING, id INT, pt AS PROCTIME()) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `id` INT) WITH ('connector'='print');
INSERT INTO sink SELECT k, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY pt DESC) AS rn FROM t) AS r WHERE rn = 1;

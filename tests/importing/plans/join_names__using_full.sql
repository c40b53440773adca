CREATE TABLE `o` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='o', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `q` INT, `id` INT, `px` DECIMAL(10, 2)) WITH ('connector'='print');
INSERT INTO sink SELECT * FROM (SELECT id, k, q FROM o) AS o FULL JOIN (SELECT px, k, q FROM t) AS t USING (k, q);

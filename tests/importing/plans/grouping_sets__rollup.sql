CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `q` INT, `c` BIGINT NOT NULL, `m` DECIMAL(10, 2)) WITH ('connector'='print');
INSERT INTO sink SELECT k, q, COUNT(*) AS c, MAX(px) AS m FROM t GROUP BY ROLLUP (k, q);

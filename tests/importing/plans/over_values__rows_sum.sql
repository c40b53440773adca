CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `id` INT, `q` INT, `s` INT, `c` BIGINT NOT NULL) WITH ('connector'='print');
INSERT INTO sink SELECT k, id, q, SUM(q) OVER w AS s, COUNT(px) OVER w AS c FROM t WINDOW w AS (PARTITION BY k ORDER BY q ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW);

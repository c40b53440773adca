CREATE TABLE `t` (k STRING, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `id` INT, `c` BIGINT NOT NULL) WITH ('connector'='print');
INSERT INTO sink SELECT k, id, COUNT(*) OVER w AS c FROM t WINDOW w AS (PARTITION BY k ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW);

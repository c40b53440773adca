CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`c` BIGINT NOT NULL, `n` BIGINT NOT NULL) WITH ('connector'='print');
INSERT INTO sink SELECT c, COUNT(*) AS n FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k) AS g GROUP BY c;

CREATE TABLE `t` (k STRING, t TINYINT, s SMALLINT, i INT, b BIGINT, x DECIMAL(10,2), f FLOAT, d DOUBLE, a STRING, p BOOLEAN, dt DATE, ts TIMESTAMP(3)) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `c` BIGINT NOT NULL) WITH ('connector'='print');
INSERT INTO sink SELECT k, COUNT(*) AS c FROM t GROUP BY k HAVING COUNT(*) > 2;

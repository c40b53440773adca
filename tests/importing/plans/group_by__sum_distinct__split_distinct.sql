-- SET 'table.exec.mini-batch.enabled' = 'true'
-- SET 'table.exec.mini-batch.allow-latency' = '1 s'
-- SET 'table.exec.mini-batch.size' = '100'
-- SET 'table.optimizer.agg-phase-strategy' = 'TWO_PHASE'
-- SET 'table.optimizer.distinct-agg.split.enabled' = 'true'
CREATE TABLE `t` (k STRING, t TINYINT, s SMALLINT, i INT, b BIGINT, x DECIMAL(10,2), f FLOAT, d DOUBLE, a STRING, p BOOLEAN, dt DATE, ts TIMESTAMP(3)) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `s` SMALLINT, `d` BIGINT NOT NULL, `a` BIGINT) WITH ('connector'='print');
INSERT INTO sink SELECT k, SUM(DISTINCT s) AS s, COUNT(DISTINCT i) AS d, AVG(DISTINCT b) AS a FROM t GROUP BY k;

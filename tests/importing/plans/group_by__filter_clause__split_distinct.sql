-- SET 'table.exec.mini-batch.enabled' = 'true'
-- SET 'table.exec.mini-batch.allow-latency' = '1 s'
-- SET 'table.exec.mini-batch.size' = '100'
-- SET 'table.optimizer.agg-phase-strategy' = 'TWO_PHASE'
-- SET 'table.optimizer.distinct-agg.split.enabled' = 'true'
CREATE TABLE `t` (k STRING, t TINYINT, s SMALLINT, i INT, b BIGINT, x DECIMAL(10,2), f FLOAT, d DOUBLE, a STRING, p BOOLEAN, dt DATE, ts TIMESTAMP(3)) WITH ('connector'='filesystem', 'path'='data/t.json', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `c` BIGINT NOT NULL, `s` INT, `d` BIGINT NOT NULL) WITH ('connector'='print');
INSERT INTO sink SELECT k, COUNT(*) FILTER (WHERE p) AS c, SUM(i) FILTER (WHERE i > 0) AS s, COUNT(DISTINCT a) FILTER (WHERE p) AS d FROM t GROUP BY k;

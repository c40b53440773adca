-- SET 'table.exec.mini-batch.enabled' = 'true'
-- SET 'table.exec.mini-batch.allow-latency' = '1 s'
-- SET 'table.exec.mini-batch.size' = '100'
-- SET 'table.optimizer.agg-phase-strategy' = 'TWO_PHASE'
CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `c` BIGINT NOT NULL, `n` BIGINT NOT NULL, `s` DECIMAL(38, 2), `a` DECIMAL(38, 6), `mn` DECIMAL(10, 2), `mx` DECIMAL(10, 2), `d` BIGINT NOT NULL) WITH ('connector'='print');
INSERT INTO sink SELECT k, COUNT(*) AS c, COUNT(px) AS n, SUM(px) AS s, AVG(px) AS a, MIN(px) AS mn, MAX(px) AS mx, COUNT(DISTINCT q) AS d FROM t GROUP BY k;

CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem', 'path'='data/t.json', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `rt` TIMESTAMP(3), `c` BIGINT NOT NULL, `mx` TIMESTAMP(3)) WITH ('connector'='print');
INSERT INTO sink SELECT k, TUMBLE_ROWTIME(ts, INTERVAL '10' SECOND) AS rt, COUNT(*) AS c, MAX(ts) AS mx FROM t GROUP BY k, TUMBLE(ts, INTERVAL '10' SECOND);

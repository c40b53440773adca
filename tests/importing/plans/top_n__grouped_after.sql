CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem', 'path'='data/t.json', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `n` BIGINT NOT NULL, `s` DECIMAL(38, 2)) WITH ('connector'='print');
INSERT INTO sink SELECT k, COUNT(*) AS n, SUM(px) AS s FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY px DESC) AS rn FROM t) AS r WHERE rn <= 3 GROUP BY k;

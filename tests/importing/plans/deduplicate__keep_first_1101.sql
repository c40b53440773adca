CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem', 'path'='data/t.json', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `id` INT, `px` DECIMAL(10, 2), `ts` TIMESTAMP(3)) WITH ('connector'='print');
INSERT INTO sink SELECT k, id, px, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts ASC) AS rn FROM t) AS r WHERE rn = 1;

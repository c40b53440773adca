CREATE TABLE `t` (k STRING, v INT, p AS PROCTIME()) WITH ('connector'='filesystem', 'path'='data/t.json', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `c` BIGINT NOT NULL) WITH ('connector'='print');
INSERT INTO sink SELECT k, COUNT(*) AS c FROM (SELECT k, window_start, window_end FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(p), INTERVAL '10000' DAY(5))) WHERE window_end > TIMESTAMP '1960-01-01 00:00:00') AS w GROUP BY k, window_start, window_end;

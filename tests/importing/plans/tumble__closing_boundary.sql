CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`k` STRING, `window_start` TIMESTAMP(3) NOT NULL, `window_end` TIMESTAMP(3) NOT NULL, `c` BIGINT NOT NULL, `s` DECIMAL(38, 2)) WITH ('connector'='print');
INSERT INTO sink SELECT k, window_start, window_end, COUNT(*) AS c, SUM(px) AS s FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end;

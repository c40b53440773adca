CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem', 'path'='data/t.json', 'format'='json');
CREATE TABLE `sink` (`id` INT, `k` STRING) WITH ('connector'='print');
INSERT INTO sink SELECT id, k FROM t LIMIT 4;

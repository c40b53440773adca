CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem', 'path'='data/t.json', 'format'='json');
CREATE TABLE `sink` (`id` INT, `window_start` TIMESTAMP(3) NOT NULL) WITH ('connector'='print');
INSERT INTO sink WITH c AS (SELECT id, ts AS rt FROM t WHERE q > 1) SELECT id, window_start FROM TABLE(TUMBLE(TABLE c, DESCRIPTOR(rt), INTERVAL '10' SECOND));

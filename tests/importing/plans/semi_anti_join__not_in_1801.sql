CREATE TABLE `o` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem', 'path'='data/o.json', 'format'='json');
CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem', 'path'='data/t.json', 'format'='json');
CREATE TABLE `sink` (`id` INT, `q` INT) WITH ('connector'='print');
INSERT INTO sink SELECT o.id, o.q FROM o WHERE o.q NOT IN (SELECT t.q FROM t);

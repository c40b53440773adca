CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`id` INT, `n` VARCHAR(4) NOT NULL) WITH ('connector'='print');
INSERT INTO sink SELECT t.id, v.n FROM t JOIN (VALUES (1, 'one'), (2, 'two'), (2, 'zwei')) AS v (q, n) ON t.q = v.q;

CREATE TABLE `o` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='o', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`id` INT, `tid` INT) WITH ('connector'='print');
INSERT INTO sink SELECT o.id, t.id AS tid FROM o FULL JOIN t ON o.k = t.k AND (o.px < t.px OR o.q = t.q);

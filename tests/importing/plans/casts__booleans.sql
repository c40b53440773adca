CREATE TABLE `t` (id INT, p BOOLEAN, q BOOLEAN, i INT, j INT, a STRING) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`id` INT, `e0` STRING, `e1` INT, `e2` BIGINT, `e3` DECIMAL(5, 2), `e4` DOUBLE) WITH ('connector'='print');
INSERT INTO sink SELECT id, CAST(p AS STRING) AS e0, CAST(p AS INT) AS e1, CAST(q AS BIGINT) AS e2, CAST(p AS DECIMAL(5,2)) AS e3, CAST(p AS DOUBLE) AS e4 FROM t;

CREATE TABLE `t` (id INT, p BOOLEAN, q BOOLEAN, i INT, j INT, a STRING) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`id` INT, `e0` BOOLEAN, `e1` BOOLEAN, `e2` BOOLEAN, `e3` BOOLEAN, `e4` BOOLEAN, `e5` BOOLEAN, `e6` BOOLEAN) WITH ('connector'='print');
INSERT INTO sink SELECT id, i IN (1, 2) AS e0, i IN (j, 5) AS e1, i NOT IN (1, 2) AS e2, i IN (1, CAST(NULL AS INT)) AS e3, i BETWEEN j AND 3 AS e4, i NOT BETWEEN 1 AND j AS e5, a IN ('a', 'b') AS e6 FROM t;

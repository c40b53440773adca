CREATE TABLE `t` (id INT, t TINYINT, s SMALLINT, i INT, j INT, b BIGINT) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`id` INT, `e0` INT, `e1` INT, `e2` INT, `e3` INT, `e4` INT, `e5` INT) WITH ('connector'='print');
INSERT INTO sink SELECT id, i + j * 2 AS e0, (i + j) * 2 AS e1, i - j - 1 AS e2, i / 2 * 2 AS e3, -i + j AS e4, i * -j AS e5 FROM t;

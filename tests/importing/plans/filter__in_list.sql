CREATE TABLE `t` (id INT, p BOOLEAN, q BOOLEAN, i INT, j INT, a STRING) WITH ('connector'='filesystem', 'path'='data/t.json', 'format'='json');
CREATE TABLE `sink` (`id` INT, `e0` INT, `e1` STRING) WITH ('connector'='print');
INSERT INTO sink SELECT id, i AS e0, a AS e1 FROM t WHERE a IN ('a', 'c', 'abc') OR i IN (3, 5);

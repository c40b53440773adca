CREATE TABLE `t` (id INT, p BOOLEAN, q BOOLEAN, i INT, j INT, a STRING) WITH ('connector'='filesystem', 'path'='data/t.json', 'format'='json');
CREATE TABLE `sink` (`id` INT, `e0` VARCHAR(5) NOT NULL, `e1` INT, `e2` VARCHAR(5) NOT NULL, `e3` BIGINT) WITH ('connector'='print');
INSERT INTO sink SELECT id, CASE WHEN p THEN 'yes' WHEN q THEN 'maybe' ELSE 'no' END AS e0, CASE WHEN p THEN i END AS e1, CASE i WHEN 1 THEN 'one' WHEN j THEN 'j' ELSE 'other' END AS e2, CASE WHEN i > j THEN i WHEN i < j THEN CAST(j AS BIGINT) ELSE 0 END AS e3 FROM t;

CREATE TABLE `t` (id INT, a ARRAY<INT>, m MAP<STRING, INT>, r ARRAY<ROW<x INT, y STRING>>, s ARRAY<STRING>, n ARRAY<ARRAY<INT>>) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`id` INT, `e` STRING, `o` INT) WITH ('connector'='print');
INSERT INTO sink SELECT id, e, o FROM t LEFT JOIN UNNEST(s) WITH ORDINALITY AS u (e, o) ON TRUE;

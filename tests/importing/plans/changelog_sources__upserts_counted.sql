CREATE TABLE `t` (k STRING, v INT, w STRING, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector'='upsert-kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'key.format'='json', 'value.format'='json');
CREATE TABLE `sink` (`n` BIGINT NOT NULL, `c` BIGINT NOT NULL) WITH ('connector'='print');
INSERT INTO sink SELECT COUNT(*) AS n, COUNT(v) AS c FROM t;

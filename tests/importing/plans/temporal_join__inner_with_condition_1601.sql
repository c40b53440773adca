CREATE TABLE `o` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='filesystem', 'path'='data/o.json', 'format'='json');
CREATE TABLE `r` (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector'='upsert-kafka', 'topic'='r', 'properties.bootstrap.servers'='broker:9092', 'key.format'='json', 'value.format'='json');
CREATE TABLE `sink` (`id` INT, `q` INT, `v` INT) WITH ('connector'='print');
INSERT INTO sink SELECT o.id, o.q, r.v FROM o JOIN r FOR SYSTEM_TIME AS OF o.ts ON o.k = r.k AND o.q < r.v;

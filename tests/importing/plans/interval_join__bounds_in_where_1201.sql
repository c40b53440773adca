CREATE TABLE `o` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='o', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `t` (k STRING, px DECIMAL(10,2), q INT, id INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector'='kafka', 'topic'='t', 'properties.bootstrap.servers'='broker:9092', 'format'='json');
CREATE TABLE `sink` (`id` INT, `tid` INT, `ts` TIMESTAMP(3), `tts` TIMESTAMP(3)) WITH ('connector'='print');
INSERT INTO sink SELECT o.id, t.id AS tid, o.ts, t.ts AS tts FROM o, t WHERE o.k = t.k AND o.q > 1 AND t.q IS NOT NULL AND o.ts BETWEEN t.ts - INTERVAL '4' SECOND AND t.ts + INTERVAL '6' SECOND;

CREATE TABLE `o` (id INT, sku STRING, qty INT, region INT, pt AS PROCTIME()) WITH ('connector'='filesystem', 'path'='data/o.json', 'format'='json');
CREATE TABLE `p` (sku STRING, name STRING, price DECIMAL(10,2), region INT) WITH ('connector'='scenario', 'scenario'='none', 'table'='p', 'format'='json');
CREATE TABLE `sink` (`id` INT, `sku` STRING, `name` STRING) WITH ('connector'='print');
INSERT INTO sink SELECT o.id, p.sku, p.name FROM o JOIN p FOR SYSTEM_TIME AS OF o.pt AS p ON o.region = p.region;

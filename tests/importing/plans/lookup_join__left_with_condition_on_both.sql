CREATE TABLE `o` (id INT, sku STRING, qty INT, region INT, pt AS PROCTIME()) WITH ('connector'='filesystem', 'path'='data/o.json', 'format'='json');
CREATE TABLE `p` (sku STRING, name STRING, price DECIMAL(10,2), region INT) WITH ('connector'='scenario', 'scenario'='none', 'table'='p', 'format'='json');
CREATE TABLE `sink` (`id` INT, `qty` INT, `name` STRING, `price` DECIMAL(10, 2)) WITH ('connector'='print');
INSERT INTO sink SELECT o.id, o.qty, p.name, p.price FROM o LEFT JOIN p FOR SYSTEM_TIME AS OF o.pt AS p ON o.sku = p.sku AND o.qty > p.region;

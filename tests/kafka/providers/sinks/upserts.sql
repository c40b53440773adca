CREATE TABLE accounts (id STRING, owner STRING, balance DECIMAL(10, 2), PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'accounts', 'value.format' = 'json', 'properties.bootstrap.servers' = '127.0.0.1:1');

CREATE TABLE by_owner (owner STRING, accounts BIGINT, balance DECIMAL(38, 2), PRIMARY KEY (owner) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'by_owner', 'value.format' = 'json');

CREATE TABLE newest_owner (owner STRING, id STRING, PRIMARY KEY (owner) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'newest_owner', 'value.format' = 'json');

INSERT INTO by_owner SELECT owner, COUNT(*), SUM(balance) FROM accounts GROUP BY owner HAVING COUNT(*) < 3;
INSERT INTO newest_owner SELECT owner, id FROM accounts ON CONFLICT DO DEDUPLICATE;

-- Where each record lies, and its key as the broker has it.
CREATE STREAM placed AS
SELECT account, cents, _key AS record_key, _partition AS part, _offset AS place
FROM balances
WITH ('balances.topic' = 'bank.balances');

-- Key by key: the partitions a key is spread over, and its last balance.
CREATE TABLE homes AS
SELECT account PRIMARY KEY, COUNT(DISTINCT _partition) AS partitions, LAST_VALUE(cents) AS cents
FROM balances
GROUP BY account;

-- The three highest bids of every auction.
CREATE TABLE bids (
  bid_id BIGINT,
  auction BIGINT,
  category STRING,
  bidder STRING,
  price DECIMAL(10, 2),
  bid_at TIMESTAMP(3)
) WITH (
  'connector' = 'kafka',
  'topic' = 'auctions.bids',
  'properties.bootstrap.servers' = 'kafka:9092',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json'
);

CREATE TABLE top_bids (
  auction BIGINT,
  place BIGINT,
  category STRING,
  bid_id BIGINT,
  bidder STRING,
  price DECIMAL(10, 2),
  bid_at TIMESTAMP(3),
  PRIMARY KEY (auction, place) NOT ENFORCED
) WITH (
  'connector' = 'upsert-kafka',
  'topic' = 'auctions.top_bids',
  'properties.bootstrap.servers' = 'kafka:9092',
  'key.format' = 'json',
  'value.format' = 'json'
);

INSERT INTO top_bids
SELECT auction, place, category, bid_id, bidder, price, bid_at
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS place
  FROM bids
)
WHERE place <= 3;

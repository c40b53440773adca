-- Visits: clicks of a visitor without a pause of five minutes.
CREATE TABLE clicks (
  visitor STRING,
  country STRING,
  page STRING,
  size BIGINT,
  clicked_at TIMESTAMP(3),
  WATERMARK FOR clicked_at AS clicked_at - INTERVAL '1' MINUTE
) WITH (
  'connector' = 'kafka',
  'topic' = 'web.clicks',
  'properties.bootstrap.servers' = 'kafka:9092',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json'
);

CREATE TABLE visits (
  visitor STRING,
  country STRING,
  window_start TIMESTAMP(3),
  window_end TIMESTAMP(3),
  clicks BIGINT,
  size BIGINT,
  last_page STRING
) WITH (
  'connector' = 'kafka',
  'topic' = 'web.visits',
  'properties.bootstrap.servers' = 'kafka:9092',
  'format' = 'json'
);

INSERT INTO visits
SELECT visitor, country, window_start, window_end, COUNT(*), SUM(size), MAX(page)
FROM TABLE(SESSION(TABLE clicks PARTITION BY (visitor, country), DESCRIPTOR(clicked_at), INTERVAL '5' MINUTE))
GROUP BY visitor, country, window_start, window_end;

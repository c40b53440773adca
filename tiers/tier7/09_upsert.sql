-- One row a key: each record is the newest state of its device.
CREATE TABLE devices (
    device STRING,
    firmware STRING,
    online BOOLEAN,
    PRIMARY KEY (device) NOT ENFORCED
)
WITH (
    'connector' = 'upsert-kafka',
    'topic' = 'devices',
    'key.format' = 'raw',
    'value.format' = 'json'
);

CREATE TABLE online_by_firmware (
    firmware STRING,
    devices BIGINT,
    PRIMARY KEY (firmware) NOT ENFORCED
)
WITH (
    'connector' = 'upsert-kafka',
    'topic' = 'online_by_firmware',
    'key.format' = 'raw',
    'value.format' = 'json'
);

INSERT INTO online_by_firmware
SELECT firmware, COUNT(*) AS devices
FROM devices
WHERE online
GROUP BY firmware;

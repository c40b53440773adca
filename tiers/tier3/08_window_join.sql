CREATE TABLE pump_pressures (pump STRING, bar INT, at TIMESTAMP(3), WATERMARK FOR at AS at);
CREATE TABLE pump_flows (pump STRING, litres INT, at TIMESTAMP(3), WATERMARK FOR at AS at);

-- The pressure and the flow that each pump showed in the same minute.
CREATE STREAM same_minute AS
SELECT p.pump, p.bar, f.litres, p.window_start
FROM TABLE(TUMBLE(TABLE pump_pressures, DESCRIPTOR(at), INTERVAL '1' MINUTE)) AS p
JOIN TABLE(TUMBLE(TABLE pump_flows, DESCRIPTOR(at), INTERVAL '1' MINUTE)) AS f
ON p.window_start = f.window_start AND p.window_end = f.window_end AND p.pump = f.pump;

-- Minutes in which a pump showed a pressure and no flow.
CREATE STREAM blocked AS
SELECT p.pump, p.window_start
FROM TABLE(TUMBLE(TABLE pump_pressures, DESCRIPTOR(at), INTERVAL '1' MINUTE)) AS p
LEFT JOIN TABLE(TUMBLE(TABLE pump_flows, DESCRIPTOR(at), INTERVAL '1' MINUTE)) AS f
ON p.window_start = f.window_start AND p.window_end = f.window_end AND p.pump = f.pump
WHERE f.litres IS NULL;

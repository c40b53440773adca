-- Tickets sold so far in the hour, every twenty minutes.
CREATE TABLE sold_so_far AS
SELECT hall PRIMARY KEY, window_start, window_end PRIMARY KEY, SUM(tickets) AS tickets
FROM ticket_sales
WINDOW CUMULATING(sold_at, 20m, 1h)
GROUP BY hall
EMIT FINAL;

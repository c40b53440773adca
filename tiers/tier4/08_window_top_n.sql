CREATE TABLE book_sales (book STRING, copies INT, at TIMESTAMP(3), WATERMARK FOR at AS at);

-- The two books that sold best in each hour.
CREATE TABLE hourly_best AS
SELECT book, window_start, copies, place
FROM (
    SELECT
        *,
        ROW_NUMBER() OVER (
            PARTITION BY window_start, window_end
            ORDER BY copies DESC, book
        ) AS place
    FROM (
        SELECT book, window_start, window_end, SUM(copies) AS copies
        FROM TABLE(TUMBLE(TABLE book_sales, DESCRIPTOR(at), INTERVAL '1' HOUR))
        GROUP BY book, window_start, window_end
    )
)
WHERE place <= 2;

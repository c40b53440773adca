CREATE STREAM echoed AS
SELECT
    id,
    author,
    text,
    CHAR_LENGTH(text) AS length,
    text = '' AS is_empty,
    UPPER(author) AS shouted,
    REVERSE(text) AS backwards
FROM comments;

CREATE TABLE per_author AS
SELECT author PRIMARY KEY, COUNT(*) AS comments
FROM comments
GROUP BY author;

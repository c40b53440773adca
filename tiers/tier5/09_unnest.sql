-- One row for each article of a basket, with its place.
CREATE STREAM basket_lines AS
SELECT basket, article, place
FROM baskets
CROSS JOIN UNNEST (articles)
WITH ORDINALITY AS lines (article, place);

-- How often each article was bought.
CREATE TABLE article_counts AS
SELECT article PRIMARY KEY, COUNT(*) AS pieces, COUNT(DISTINCT basket) AS baskets
FROM basket_lines
GROUP BY article;

-- All baskets, with their first article where there is one.
CREATE STREAM first_articles AS
SELECT basket, articles[1] AS first_article, CARDINALITY(articles) AS n
FROM baskets;

-- Houses that cost more than the average of all.
CREATE TABLE above_average AS
SELECT house, price
FROM house_prices
WHERE price > (
        SELECT AVG(price)
        FROM house_prices
    );

-- Houses that cost more than the average of their own town.
CREATE TABLE above_town AS
SELECT house
FROM house_prices h
WHERE price > (
        SELECT AVG(price)
        FROM house_prices t
        WHERE t.town = h.town
    );

-- Houses at least as dear as every house in Ulm.
CREATE TABLE above_ulm AS
SELECT house
FROM house_prices
WHERE price >= ALL (
        SELECT price
        FROM house_prices
        WHERE town = 'Ulm' AND price IS NOT NULL
    );

-- Bids of verified members, not on their own lots, from the reserve price on.
CREATE TABLE valid_bids AS
SELECT b.lot, b.bidder, b.price, b.price - l.reserve AS above
FROM bids b
JOIN lots l ON b.lot = l.lot AND b.price >= l.reserve AND b.bidder <> l.seller
JOIN members m ON b.bidder = m.member
WHERE m.verified;

-- The best valid bid of each lot.
CREATE TABLE leading AS
SELECT lot PRIMARY KEY, MAX(price) AS price, COUNT(*) AS bids
FROM valid_bids
GROUP BY lot;

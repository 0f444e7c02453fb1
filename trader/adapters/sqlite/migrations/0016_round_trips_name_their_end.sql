-- A round trip names the execution that ended it: by that id its whole story is told.
DROP VIEW round_trips;
CREATE VIEW round_trips AS
SELECT account, symbol,
       strftime('%Y-%m-%dT%H:%M:%fZ', opened_us / 1e6, 'unixepoch') AS opened_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', closed_us / 1e6, 'unixepoch') AS closed_at,
       round(bought_micros / 1e6 / (quantity * multiplier), 4) AS entry_price,
       round(sold_micros / 1e6 / (quantity * multiplier), 4)   AS exit_price,
       quantity,
       round(pnl_micros / 1e6, 4) AS pnl,
       exit_reason,
       multiplier,
       closed_by
FROM book_round_trips;

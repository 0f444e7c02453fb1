-- The broker's own id of an order, beside the reference that we gave it.
ALTER TABLE book_orders ADD COLUMN perm_id       INTEGER CHECK (perm_id > 0);

DROP VIEW orders;
CREATE VIEW orders AS
SELECT order_ref, account, symbol, side, quantity, filled, state, purpose, reason,
       round(limit_micros / 1e6, 4) AS limit_price, round(stop_micros / 1e6, 4) AS stop_price, signal_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', created_us / 1e6, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', updated_us / 1e6, 'unixepoch') AS updated_at, perm_id
FROM book_orders;

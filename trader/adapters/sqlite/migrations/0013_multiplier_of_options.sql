-- Options: a contract counts a hundred times in every value, and every price stays dollars a share.
ALTER TABLE book_orders ADD COLUMN multiplier INTEGER GENERATED ALWAYS AS (CASE WHEN length(symbol) > 14 THEN 100 ELSE 1 END) VIRTUAL;
ALTER TABLE book_positions ADD COLUMN multiplier INTEGER GENERATED ALWAYS AS (CASE WHEN length(symbol) > 14 THEN 100 ELSE 1 END) VIRTUAL;
ALTER TABLE book_fills ADD COLUMN multiplier INTEGER GENERATED ALWAYS AS (CASE WHEN length(symbol) > 14 THEN 100 ELSE 1 END) VIRTUAL;
ALTER TABLE book_round_trips ADD COLUMN multiplier INTEGER GENERATED ALWAYS AS (CASE WHEN length(symbol) > 14 THEN 100 ELSE 1 END) VIRTUAL;
-- Here the new column is the last of its table: only its wording is put as a new book has it.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(sql, 'NOT NULL
, multiplier', 'NOT NULL,
    multiplier'), 'VIRTUAL) STRICT', 'VIRTUAL
) STRICT') WHERE name = 'book_round_trips';
PRAGMA writable_schema = RESET;

DROP VIEW account;
DROP VIEW round_trips;
DROP VIEW trades;
DROP VIEW charged_fills;
DROP VIEW positions;

CREATE VIEW charged_fills AS
SELECT f.id, f.account, f.execution_id, f.order_ref, f.symbol, f.side, f.quantity, f.price_micros,
       f.commission_micros + coalesce(c.commission_micros, 0) AS commission_micros,
       f.realized_micros - coalesce(c.commission_micros, 0)   AS realized_micros,
       f.purpose, f.reason, f.executed_us, f.booked_us, f.multiplier
FROM book_fills f LEFT JOIN book_commissions c ON c.account = f.account AND c.execution_id = f.execution_id;

CREATE VIEW positions AS
SELECT account, symbol, quantity,
       CASE WHEN quantity > 0 THEN round(cost_micros / 1e6 / (quantity * multiplier), 4) ELSE 0.0 END AS avg_cost,
       round(take_profit_micros / 1e6, 4) AS take_profit,
       round(stop_micros / 1e6, 4)        AS stop_loss,
       state,
       strftime('%Y-%m-%dT%H:%M:%fZ', opened_us / 1e6, 'unixepoch')  AS opened_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', updated_us / 1e6, 'unixepoch') AS updated_at,
       multiplier,
       CASE WHEN multiplier > 1 THEN printf('20%s-%s-%s', substr(symbol, -15, 2), substr(symbol, -13, 2),
                                            substr(symbol, -11, 2)) END AS expiry
FROM book_positions;

CREATE VIEW trades AS
SELECT id, account, symbol, side, quantity,
       round(price_micros / 1e6, 4)      AS price,
       round(commission_micros / 1e6, 4) AS commission,
       round(realized_micros / 1e6, 4)   AS realized_pnl,
       purpose, reason, execution_id, order_ref,
       strftime('%Y-%m-%dT%H:%M:%fZ', executed_us / 1e6, 'unixepoch') AS timestamp,
       multiplier
FROM charged_fills;

CREATE VIEW round_trips AS
SELECT account, symbol,
       strftime('%Y-%m-%dT%H:%M:%fZ', opened_us / 1e6, 'unixepoch') AS opened_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', closed_us / 1e6, 'unixepoch') AS closed_at,
       round(bought_micros / 1e6 / (quantity * multiplier), 4) AS entry_price,
       round(sold_micros / 1e6 / (quantity * multiplier), 4)   AS exit_price,
       quantity,
       round(pnl_micros / 1e6, 4) AS pnl,
       exit_reason,
       multiplier
FROM book_round_trips;

CREATE VIEW account AS
SELECT a.account,
       round(a.starting_cash_micros / 1e6, 2) AS starting_cash,
       round(a.cash_micros / 1e6, 2)          AS cash,
       round((a.cash_micros + coalesce(h.value_micros, 0)) / 1e6, 2) AS equity,
       round(coalesce((SELECT sum(realized_micros) FROM charged_fills f WHERE f.account = a.account), 0) / 1e6, 2)
           AS realized_pnl,
       round(coalesce(h.value_micros - h.cost_micros, 0) / 1e6, 2) AS unrealized_pnl,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.updated_us / 1e6, 'unixepoch') AS timestamp
FROM book_accounts a
LEFT JOIN (
    SELECT p.account,
           sum(coalesce(m.price_micros * p.quantity * p.multiplier, p.cost_micros)) AS value_micros,
           sum(p.cost_micros) AS cost_micros
    FROM book_positions p LEFT JOIN book_marks m ON m.account = p.account AND m.symbol = p.symbol
    WHERE p.quantity > 0
    GROUP BY p.account
) h ON h.account = a.account;

-- What an execution has cost may be told after it. A round trip names the execution that ended it, so that a late
-- commission finds the one to which its execution belongs. Cash is compared with the broker's, and statements imported.

DROP VIEW trades;
DROP VIEW account;
DROP VIEW round_trips;

CREATE TABLE book_commissions (
    account            TEXT    NOT NULL REFERENCES book_accounts (account),
    execution_id       TEXT    NOT NULL,
    commission_micros  INTEGER NOT NULL CHECK (commission_micros <> 0),
    booked_us          INTEGER NOT NULL,
    PRIMARY KEY (account, execution_id),
    FOREIGN KEY (account, execution_id) REFERENCES book_fills (account, execution_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER commissions_are_append_only_u BEFORE UPDATE ON book_commissions
BEGIN SELECT RAISE(ABORT, 'commissions_are_append_only'); END;
CREATE TRIGGER commissions_are_append_only_d BEFORE DELETE ON book_commissions
BEGIN SELECT RAISE(ABORT, 'commissions_are_append_only'); END;

-- Cash that book and broker do not agree on, as of now.
CREATE TABLE book_cash_drift (
    account        TEXT    PRIMARY KEY REFERENCES book_accounts (account),
    book_micros    INTEGER NOT NULL,
    broker_micros  INTEGER NOT NULL,
    since_us       INTEGER NOT NULL,
    CONSTRAINT a_drift_is_a_difference CHECK (book_micros <> broker_micros)
) STRICT, WITHOUT ROWID;

-- Cash movements of the broker's statements: one that is imported again is known.
CREATE TABLE book_cash_movements (
    account    TEXT    NOT NULL REFERENCES book_accounts (account),
    movement   TEXT    NOT NULL,
    booked_us  INTEGER NOT NULL,
    PRIMARY KEY (account, movement)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER cash_movements_are_append_only_u BEFORE UPDATE ON book_cash_movements
BEGIN SELECT RAISE(ABORT, 'cash_movements_are_append_only'); END;
CREATE TRIGGER cash_movements_are_append_only_d BEFORE DELETE ON book_cash_movements
BEGIN SELECT RAISE(ABORT, 'cash_movements_are_append_only'); END;

-- Executions that left nothing, in the order of the round trips that they ended. Where all that was bought had been
-- undone, and nothing was realised by it, there is no round trip.
CREATE TEMP TABLE closings AS
SELECT account, symbol, execution_id, row_number() OVER (PARTITION BY account, symbol ORDER BY id) AS place FROM (
    SELECT f.account, f.symbol, f.execution_id, f.id,
           sum(f.realized_micros) OVER lives AS realized_micros, sum(f.sold) OVER lives AS sold, f.held
    FROM (SELECT *, coalesce(sum(held = 0) OVER (PARTITION BY account, symbol ORDER BY id
                                                 ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS life
          FROM (SELECT *,
                       CASE WHEN purpose = 'reversal' THEN -(side = 'BUY') ELSE side = 'SELL' END AS sold,
                       sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END)
                           OVER (PARTITION BY account, symbol ORDER BY id) AS held
                FROM book_fills)) f
    WINDOW lives AS (PARTITION BY f.account, f.symbol, f.life))
WHERE held = 0 AND (sold <> 0 OR realized_micros <> 0);

CREATE TEMP TABLE trips_before AS
SELECT *, row_number() OVER (PARTITION BY account, symbol ORDER BY id) AS place FROM book_round_trips;
DROP TABLE book_round_trips;
CREATE TABLE book_round_trips (
    id             INTEGER PRIMARY KEY,
    account        TEXT    NOT NULL REFERENCES book_accounts (account),
    symbol         TEXT    NOT NULL,
    opened_us      INTEGER NOT NULL,
    closed_us      INTEGER NOT NULL,
    quantity       INTEGER NOT NULL CHECK (quantity > 0),
    bought_micros  INTEGER NOT NULL,
    sold_micros    INTEGER NOT NULL,
    pnl_micros     INTEGER NOT NULL,
    exit_reason    TEXT    NOT NULL,
    closed_by      TEXT    NOT NULL
) STRICT;
INSERT INTO book_round_trips
SELECT t.id, t.account, t.symbol, t.opened_us, t.closed_us, t.quantity, t.bought_micros, t.sold_micros, t.pnl_micros,
       t.exit_reason, coalesce(c.execution_id, '')
FROM trips_before t LEFT JOIN closings c ON c.account = t.account AND c.symbol = t.symbol AND c.place = t.place;
DROP TABLE trips_before;
DROP TABLE closings;

-- Executions with everything that they have cost, whenever that was told.
CREATE VIEW charged_fills AS
SELECT f.id, f.account, f.execution_id, f.order_ref, f.symbol, f.side, f.quantity, f.price_micros,
       f.commission_micros + coalesce(c.commission_micros, 0) AS commission_micros,
       f.realized_micros - coalesce(c.commission_micros, 0)   AS realized_micros,
       f.purpose, f.reason, f.executed_us, f.booked_us
FROM book_fills f LEFT JOIN book_commissions c ON c.account = f.account AND c.execution_id = f.execution_id;

CREATE VIEW trades AS
SELECT id, account, symbol, side, quantity,
       round(price_micros / 1e6, 4)      AS price,
       round(commission_micros / 1e6, 4) AS commission,
       round(realized_micros / 1e6, 4)   AS realized_pnl,
       purpose, reason, execution_id, order_ref,
       strftime('%Y-%m-%dT%H:%M:%fZ', executed_us / 1e6, 'unixepoch') AS timestamp
FROM charged_fills;

CREATE VIEW round_trips AS
SELECT account, symbol,
       strftime('%Y-%m-%dT%H:%M:%fZ', opened_us / 1e6, 'unixepoch') AS opened_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', closed_us / 1e6, 'unixepoch') AS closed_at,
       round(bought_micros / 1e6 / quantity, 4) AS entry_price,
       round(sold_micros / 1e6 / quantity, 4)   AS exit_price,
       quantity,
       round(pnl_micros / 1e6, 4) AS pnl,
       exit_reason
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
           sum(coalesce(m.price_micros * p.quantity, p.cost_micros)) AS value_micros,
           sum(p.cost_micros) AS cost_micros
    FROM book_positions p LEFT JOIN book_marks m ON m.account = p.account AND m.symbol = p.symbol
    WHERE p.quantity > 0
    GROUP BY p.account
) h ON h.account = a.account;

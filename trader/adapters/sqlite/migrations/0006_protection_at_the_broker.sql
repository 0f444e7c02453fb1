-- Stops and targets that live at the broker are orders of the book: two more columns, another purpose, rules of their
-- own. The wording of CHECKs changes and no row, hence the way that SQLite documents for it.
ALTER TABLE book_orders ADD COLUMN stop_micros   INTEGER CHECK (stop_micros > 0);
ALTER TABLE book_orders ADD COLUMN oca           TEXT    NOT NULL DEFAULT '';
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'OR purpose = ''adjust''),',
'OR purpose = ''adjust'' OR purpose = ''protection''),') WHERE name = 'book_orders';
UPDATE sqlite_schema SET sql = replace(sql, '(side = ''BUY'' AND limit_micros IS NOT NULL))',
'(side = ''BUY'' AND limit_micros IS NOT NULL)),
    CONSTRAINT protection_sells_at_one_level_of_a_group CHECK ((purpose = ''protection'') = (oca <> '''')
        AND (purpose <> ''protection'' OR (side = ''SELL'' AND (stop_micros IS NULL) <> (limit_micros IS NULL))))') WHERE name = 'book_orders';
PRAGMA writable_schema = RESET;

DROP VIEW orders;
CREATE VIEW orders AS
SELECT order_ref, account, symbol, side, quantity, filled, state, purpose, reason,
       round(limit_micros / 1e6, 4) AS limit_price, round(stop_micros / 1e6, 4) AS stop_price, signal_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', created_us / 1e6, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', updated_us / 1e6, 'unixepoch') AS updated_at
FROM book_orders;

DROP INDEX one_live_exit_per_symbol;
CREATE UNIQUE INDEX one_live_exit_per_symbol ON book_orders (account, symbol)
    WHERE side = 'SELL' AND purpose <> 'protection' AND state IN ('created', 'working', 'cancelling', 'unknown');
CREATE INDEX live_protection ON book_orders (account, symbol)
    WHERE purpose = 'protection' AND state IN ('created', 'working', 'cancelling', 'unknown');
CREATE INDEX groups_of_protection ON book_orders (account, oca) WHERE oca <> '';

DROP TRIGGER exit_within_what_is_held;
-- A live exit never asks for more than is held (a sell beyond it would open a short).
CREATE TRIGGER exit_within_what_is_held BEFORE INSERT ON book_orders
WHEN NEW.side = 'SELL' AND NEW.purpose <> 'adjust' AND NEW.purpose <> 'protection' AND NEW.state IN ('created', 'working', 'cancelling', 'unknown')
     AND NEW.quantity - NEW.filled > coalesce(
    (SELECT quantity FROM book_positions WHERE account = NEW.account AND symbol = NEW.symbol), 0)
BEGIN SELECT RAISE(ABORT, 'exit_within_what_is_held'); END;

-- Protection lives at the broker for as long as the position does, in pairs: a stop and a target that sell the same
-- shares once. Our own exit and protection never live together: both could be filled.
CREATE TRIGGER no_exit_beside_protection BEFORE INSERT ON book_orders
WHEN NEW.side = 'SELL' AND NEW.purpose <> 'protection' AND NEW.state IN ('created', 'working', 'cancelling', 'unknown')
     AND EXISTS (SELECT 1 FROM book_orders INDEXED BY live_protection
                 WHERE account = NEW.account AND symbol = NEW.symbol AND purpose = 'protection'
                   AND state IN ('created', 'working', 'cancelling', 'unknown'))
BEGIN SELECT RAISE(ABORT, 'no_exit_beside_protection'); END;

CREATE TRIGGER no_protection_beside_an_exit BEFORE INSERT ON book_orders
WHEN NEW.purpose = 'protection' AND NEW.state IN ('created', 'working', 'cancelling', 'unknown')
     AND EXISTS (SELECT 1 FROM book_orders INDEXED BY one_live_exit_per_symbol
                 WHERE account = NEW.account AND symbol = NEW.symbol AND side = 'SELL' AND purpose <> 'protection'
                   AND state IN ('created', 'working', 'cancelling', 'unknown'))
BEGIN SELECT RAISE(ABORT, 'no_protection_beside_an_exit'); END;

-- Live stops never ask for more than is held and a working entry may still buy. What any order of a group has sold, its
-- stop sells no more.
CREATE TRIGGER stops_within_what_may_be_held BEFORE INSERT ON book_orders
WHEN NEW.purpose = 'protection' AND NEW.stop_micros IS NOT NULL
     AND NEW.state IN ('created', 'working', 'cancelling', 'unknown')
     AND NEW.quantity + coalesce(
    (SELECT sum(s.quantity - (SELECT sum(g.filled) FROM book_orders g INDEXED BY groups_of_protection
                              WHERE g.account = s.account AND g.oca = s.oca AND g.oca <> ''))
     FROM book_orders s INDEXED BY live_protection
     WHERE s.account = NEW.account AND s.symbol = NEW.symbol AND s.purpose = 'protection'
       AND s.stop_micros IS NOT NULL AND s.state IN ('created', 'working', 'cancelling', 'unknown')), 0)
     > coalesce((SELECT quantity FROM book_positions WHERE account = NEW.account AND symbol = NEW.symbol), 0)
     + coalesce((SELECT o.quantity - o.filled FROM book_locks l JOIN book_orders o ON o.order_ref = l.order_ref
                 WHERE l.account = NEW.account AND l.symbol = NEW.symbol AND l.released_us IS NULL), 0)
BEGIN SELECT RAISE(ABORT, 'stops_within_what_may_be_held'); END;

CREATE TRIGGER a_target_has_its_stop BEFORE INSERT ON book_orders
WHEN NEW.purpose = 'protection' AND NEW.stop_micros IS NULL
     AND NOT EXISTS (SELECT 1 FROM book_orders INDEXED BY groups_of_protection
                     WHERE account = NEW.account AND oca = NEW.oca AND oca <> '' AND symbol = NEW.symbol
                       AND stop_micros IS NOT NULL AND quantity = NEW.quantity)
BEGIN SELECT RAISE(ABORT, 'a_target_has_its_stop'); END;

-- A start looks at the newest orders only, not through all there ever were.
CREATE INDEX orders_by_time ON book_orders (account, created_us);

-- The rule is about live exits: one that was sent and filled while the book could not be written is only history.
DROP TRIGGER exit_within_what_is_held;
CREATE TRIGGER exit_within_what_is_held BEFORE INSERT ON book_orders
WHEN NEW.side = 'SELL' AND NEW.purpose <> 'adjust' AND NEW.state IN ('created', 'working', 'cancelling', 'unknown')
     AND NEW.quantity - NEW.filled > coalesce(
    (SELECT quantity FROM book_positions WHERE account = NEW.account AND symbol = NEW.symbol), 0)
BEGIN SELECT RAISE(ABORT, 'exit_within_what_is_held'); END;

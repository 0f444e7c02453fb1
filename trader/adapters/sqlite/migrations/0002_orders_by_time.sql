-- A start looks at the newest orders only, not through all there ever were.
CREATE INDEX orders_by_time ON book_orders (account, created_us);

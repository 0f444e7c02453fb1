-- What only its row tells of has a checksum there, and rows that nothing else misses are counted. What a book has when it
-- is brought here counts as written.
ALTER TABLE book_stamp ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE book_stamp SET checksum = checksum(kind, book_id, epoch, seed, created_us);
ALTER TABLE book_accounts ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE book_accounts SET checksum = checksum(account, orders_made, signals_seen, opened_us, updated_us);
ALTER TABLE book_orders ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE book_orders SET checksum = checksum(order_ref, updated_us, perm_id);
ALTER TABLE book_reconciled ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE book_reconciled SET checksum = checksum(account, at_us);
ALTER TABLE book_signals ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE book_signals
SET checksum = checksum(account, id, symbol, probability, signal_us, received_us, source, outcome, stage, rule,
                        measured, limit_value, detail, order_ref, count);
ALTER TABLE book_inbox ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE book_inbox SET checksum = checksum(account, path, offset, line);
ALTER TABLE book_alarms ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE book_alarms
SET checksum = checksum(account, seq, type, severity, subject, text, first_us, last_us, count, acknowledged_us,
                        acknowledged_by);
ALTER TABLE book_deliveries ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
DROP TRIGGER deliveries_are_append_only_u;
UPDATE book_deliveries SET checksum = checksum(account, alarm, channel, count, at_us);
CREATE TRIGGER deliveries_are_append_only_u BEFORE UPDATE ON book_deliveries
BEGIN SELECT RAISE(ABORT, 'deliveries_are_append_only'); END;
ALTER TABLE book_inputs ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE book_inputs SET checksum = checksum(account, at_us, kind, data);
ALTER TABLE book_marks ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
UPDATE book_marks SET checksum = checksum(account, symbol, price_micros, at_us);

CREATE TABLE book_counts (
    account  TEXT    NOT NULL REFERENCES book_accounts (account),
    counted  TEXT    NOT NULL,
    count    INTEGER NOT NULL CHECK (count >= 1),
    PRIMARY KEY (account, counted)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER signals_are_counted AFTER INSERT ON book_signals
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_signals', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER inbox_are_counted AFTER INSERT ON book_inbox
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_inbox', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER alarms_are_counted AFTER INSERT ON book_alarms
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_alarms', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER deliveries_are_counted AFTER INSERT ON book_deliveries
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_deliveries', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER inputs_are_counted AFTER INSERT ON book_inputs
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_inputs', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER marks_are_counted AFTER INSERT ON book_marks
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_marks', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER reconciliations_are_counted AFTER INSERT ON book_reconciled
BEGIN
    INSERT INTO book_counts (account, counted, count) VALUES (NEW.account, 'book_reconciled', 1)
    ON CONFLICT (account, counted) DO UPDATE SET count = count + 1;
END;

INSERT INTO book_counts (account, counted, count)
SELECT account, 'book_signals', count(*) FROM book_signals GROUP BY account
UNION ALL SELECT account, 'book_inbox', count(*) FROM book_inbox GROUP BY account
UNION ALL SELECT account, 'book_alarms', count(*) FROM book_alarms GROUP BY account
UNION ALL SELECT account, 'book_deliveries', count(*) FROM book_deliveries GROUP BY account
UNION ALL SELECT account, 'book_inputs', count(*) FROM book_inputs GROUP BY account
UNION ALL SELECT account, 'book_marks', count(*) FROM book_marks GROUP BY account
UNION ALL SELECT account, 'book_reconciled', count(*) FROM book_reconciled GROUP BY account;

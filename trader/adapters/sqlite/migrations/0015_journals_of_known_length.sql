-- An account knows how many events its journal has: what is taken off its end is missed.
ALTER TABLE book_accounts ADD COLUMN journal_events INTEGER NOT NULL DEFAULT 0 CHECK (journal_events >= 0);
UPDATE book_accounts
SET journal_events = (SELECT count(*) FROM book_events WHERE book_events.account = book_accounts.account);
-- The new column is worded as a new book has it.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(sql, 'NOT NULL
, journal_events', 'NOT NULL,
    journal_events'), '0)) STRICT', '0)
) STRICT') WHERE name = 'book_accounts';
PRAGMA writable_schema = RESET;

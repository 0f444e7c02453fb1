-- An input is of an account that the book has, as every other row. The wording of the table changes and no row of it,
-- hence the way that SQLite documents for it.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'account  TEXT    NOT NULL,',
'account  TEXT    NOT NULL REFERENCES book_accounts (account),') WHERE name = 'book_inputs';
PRAGMA writable_schema = RESET;

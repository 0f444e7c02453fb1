-- When the broker has last told what it holds, and the book was compared with it.
CREATE TABLE book_reconciled (
    account  TEXT    PRIMARY KEY REFERENCES book_accounts (account),
    at_us    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

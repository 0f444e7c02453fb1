-- A halt may be a standing order to close whatever comes to be held in its scope. The new column is the last of its
-- table: only its wording is put as a new book has it.
ALTER TABLE book_halts ADD COLUMN flattens INTEGER NOT NULL DEFAULT 0 CHECK (flattens IN (0, 1));
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(replace(sql, 'TEXT
, flattens', 'TEXT,
    flattens'), '(0, 1))) STRICT', '(0, 1))
) STRICT') WHERE name = 'book_halts';
PRAGMA writable_schema = RESET;

-- Writing an order or a signal no longer makes a table to look a text up in: OR says the same as IN. Only the
-- wording of CHECKs changes and no row, hence the way that SQLite documents for it.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (state IN
                    (''created'', ''working'', ''cancelling'', ''unknown'', ''filled'', ''cancelled'', ''rejected'')),',
'CHECK (state = ''created'' OR state = ''working'' OR state = ''cancelling''
                    OR state = ''unknown'' OR state = ''filled'' OR state = ''cancelled'' OR state = ''rejected''),') WHERE name = 'book_orders';
UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (purpose IN (''entry'', ''exit'', ''eod'', ''manual'', ''adjust''))',
'CHECK (purpose = ''entry'' OR purpose = ''exit'' OR purpose = ''eod''
                    OR purpose = ''manual'' OR purpose = ''adjust'')') WHERE name = 'book_orders';
UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (outcome IN (''ordered'', ''closing'', ''unchanged'', ''refused''))',
'CHECK (outcome = ''ordered'' OR outcome = ''closing''
                   OR outcome = ''unchanged'' OR outcome = ''refused'')') WHERE name = 'book_signals';
PRAGMA writable_schema = RESET;

-- A strategy that was late too often is under a halt of its name. Only the wording of a check changes; every row keeps
-- to the new one.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''family'', ''symbol'')', '''family'', ''symbol'', ''strategy'')')
WHERE name = 'book_halts';
PRAGMA writable_schema = RESET;

-- Breakers that have tripped, with what was measured: each bars entries of its scope until a person clears it.
CREATE TABLE book_latches (
    id              INTEGER PRIMARY KEY,
    account         TEXT    NOT NULL REFERENCES book_accounts (account),
    breaker         TEXT    NOT NULL,
    scope           TEXT    NOT NULL CHECK (scope IN ('symbol', 'family', 'account', 'all')),
    target          TEXT    NOT NULL,
    cause           TEXT    NOT NULL,
    measured        REAL    NOT NULL,
    limit_value     REAL    NOT NULL,
    inputs          TEXT    NOT NULL,
    formula         TEXT    NOT NULL,
    flattens        INTEGER NOT NULL CHECK (flattens IN (0, 1)),
    tripped_us      INTEGER NOT NULL,
    cleared_us      INTEGER,
    cleared_by      TEXT,
    cleared_reason  TEXT,
    CONSTRAINT a_target_where_the_scope_has_one CHECK ((target <> '') = (scope IN ('symbol', 'family'))),
    CONSTRAINT cleared_by_somebody_for_a_reason CHECK ((cleared_us IS NULL) = (cleared_by IS NULL)
        AND (cleared_us IS NULL) = (cleared_reason IS NULL))
) STRICT;

CREATE UNIQUE INDEX one_latch_per_breaker_and_target ON book_latches (account, breaker, target) WHERE cleared_us IS NULL;

CREATE INDEX cash_and_days_told ON book_events (account, seq) WHERE type IN ('cash_moved', 'day_started');

CREATE TRIGGER latches_are_kept BEFORE DELETE ON book_latches
BEGIN SELECT RAISE(ABORT, 'latches_are_kept'); END;
CREATE TRIGGER a_cleared_latch_stays_cleared BEFORE UPDATE ON book_latches WHEN OLD.cleared_us IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a_cleared_latch_stays_cleared'); END;

CREATE VIEW latches AS
SELECT id, account, breaker, scope, target, cause, measured, limit_value, formula, inputs,
       CASE flattens WHEN 1 THEN 'flatten' ELSE 'stop_entries' END AS action,
       CASE WHEN cleared_us IS NULL THEN 'tripped' ELSE 'cleared' END AS state,
       strftime('%Y-%m-%dT%H:%M:%fZ', tripped_us / 1e6, 'unixepoch') AS tripped_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', cleared_us / 1e6, 'unixepoch') AS cleared_at,
       cleared_by, cleared_reason
FROM book_latches;

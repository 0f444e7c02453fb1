-- What a person should know of. An alarm's number is that of the event which began it; repeats of its type and subject
-- that come within an hour of each other are counted in it. What was delivered where is a row for each time.
CREATE TABLE book_alarms (
    account          TEXT    NOT NULL REFERENCES book_accounts (account),
    seq              INTEGER NOT NULL,
    type             TEXT    NOT NULL,
    severity         TEXT    NOT NULL CHECK (severity = 'info' OR severity = 'warning' OR severity = 'critical'),
    subject          TEXT    NOT NULL,
    text             TEXT    NOT NULL,
    first_us         INTEGER NOT NULL,
    last_us          INTEGER NOT NULL,
    count            INTEGER NOT NULL CHECK (count >= 1),
    acknowledged_us  INTEGER,
    acknowledged_by  TEXT,
    PRIMARY KEY (account, seq),
    FOREIGN KEY (account, seq) REFERENCES book_events (account, seq),
    CONSTRAINT acknowledged_by_somebody CHECK ((acknowledged_us IS NULL) = (acknowledged_by IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX newest_alarms ON book_alarms (account, type, subject, seq);
CREATE INDEX open_alarms ON book_alarms (account, type) WHERE acknowledged_us IS NULL;

CREATE TABLE book_deliveries (
    id       INTEGER PRIMARY KEY,
    account  TEXT    NOT NULL REFERENCES book_accounts (account),
    alarm    INTEGER NOT NULL,
    channel  TEXT    NOT NULL,
    count    INTEGER NOT NULL CHECK (count >= 1),
    at_us    INTEGER NOT NULL,
    FOREIGN KEY (account, alarm) REFERENCES book_alarms (account, seq)
) STRICT;

CREATE INDEX deliveries_of_an_alarm ON book_deliveries (account, alarm, channel);

CREATE TRIGGER alarms_are_kept BEFORE DELETE ON book_alarms
BEGIN SELECT RAISE(ABORT, 'alarms_are_kept'); END;
CREATE TRIGGER deliveries_are_append_only_u BEFORE UPDATE ON book_deliveries
BEGIN SELECT RAISE(ABORT, 'deliveries_are_append_only'); END;
CREATE TRIGGER deliveries_are_append_only_d BEFORE DELETE ON book_deliveries
BEGIN SELECT RAISE(ABORT, 'deliveries_are_append_only'); END;

CREATE VIEW alarms AS
SELECT a.seq AS id, a.account, a.type, a.severity, a.subject, a.text, a.count,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.first_us / 1e6, 'unixepoch') AS first_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.last_us / 1e6, 'unixepoch')  AS last_at,
       CASE WHEN a.acknowledged_us IS NULL THEN 'open' ELSE 'acknowledged' END AS state,
       a.acknowledged_by,
       (SELECT group_concat(channel, ' ') FROM (
            SELECT DISTINCT d.channel FROM book_deliveries d WHERE d.account = a.account AND d.alarm = a.seq)) AS told
FROM book_alarms a;

CREATE VIEW deliveries AS
SELECT id, account, alarm, channel, count,
       strftime('%Y-%m-%dT%H:%M:%fZ', at_us / 1e6, 'unixepoch') AS timestamp
FROM book_deliveries;

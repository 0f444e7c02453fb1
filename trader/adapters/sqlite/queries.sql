-- Every statement of the book, by name. One that writes what only its row tells of writes the row's checksum. Where it
-- leaves some of the values as they are, a checksum that is wrong stays as it is: else it would hide what was changed.

-- name: insert_fill
INSERT INTO book_fills (account, execution_id, order_ref, symbol, side, quantity, price_micros, commission_micros,
                        realized_micros, purpose, reason, executed_us, booked_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_commission
INSERT INTO book_commissions (account, execution_id, commission_micros, booked_us) VALUES (?, ?, ?, ?)

-- name: charge_round_trip
UPDATE book_round_trips SET pnl_micros = pnl_micros - ? WHERE account = ? AND id = ?

-- name: charge_flat_position
UPDATE book_positions SET realized_micros = realized_micros - ? WHERE account = ? AND symbol = ? AND quantity = 0

-- name: put_lot
INSERT INTO book_lots (account, execution_id, symbol, opened_us, remaining, cost_micros) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (account, execution_id) DO UPDATE SET remaining = excluded.remaining, cost_micros = excluded.cost_micros

-- name: put_position
INSERT INTO book_positions (account, symbol, family, direction, quantity, cost_micros, entry_micros, initial_stop_micros,
                            stop_micros, take_profit_micros, state, closing_purpose, closing_reason, opened_us,
                            updated_us, bought, bought_micros, sold_micros, realized_micros)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account, symbol) DO UPDATE SET
    family = excluded.family, direction = excluded.direction, quantity = excluded.quantity,
    cost_micros = excluded.cost_micros, entry_micros = excluded.entry_micros,
    initial_stop_micros = excluded.initial_stop_micros, stop_micros = excluded.stop_micros,
    take_profit_micros = excluded.take_profit_micros, state = excluded.state,
    closing_purpose = excluded.closing_purpose, closing_reason = excluded.closing_reason,
    opened_us = excluded.opened_us, updated_us = excluded.updated_us, bought = excluded.bought,
    bought_micros = excluded.bought_micros, sold_micros = excluded.sold_micros,
    realized_micros = excluded.realized_micros

-- name: in_position_and_lots
SELECT p.quantity, coalesce(sum(l.remaining), 0) FROM book_positions p
LEFT JOIN book_lots l INDEXED BY open_lots ON l.account = p.account AND l.symbol = p.symbol AND l.remaining > 0
WHERE p.account = ? AND p.symbol = ?

-- name: insert_round_trip
INSERT INTO book_round_trips (account, symbol, opened_us, closed_us, quantity, bought_micros, sold_micros, pnl_micros,
                              exit_reason, closed_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_order
INSERT INTO book_orders (order_ref, account, symbol, side, quantity, filled, limit_micros, state, purpose, reason,
                         signal_id, created_us, updated_us, stop_micros, oca, perm_id, checksum)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, checksum(?1, ?13, ?16))

-- name: update_order
UPDATE book_orders SET state = ?1, filled = ?2, updated_us = ?3, perm_id = ?4, checksum = checksum(order_ref, ?3, ?4)
WHERE order_ref = ?5 AND account = ?6

-- Of a burst: several orders at once. One alone is changed faster by the statement above.

-- name: update_order_together
UPDATE book_orders SET state = now.column1, filled = now.column2, updated_us = now.column3, perm_id = now.column4,
    checksum = checksum(order_ref, now.column3, now.column4)
FROM (VALUES (?, ?, ?, ?, ?, ?)) AS now WHERE order_ref = now.column5 AND account = now.column6

-- name: insert_lock
INSERT INTO book_locks (order_ref, account, symbol, family, direction, reserved_micros, takes_slot, acquired_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: shrink_lock
UPDATE book_locks SET reserved_micros = ? WHERE order_ref = ? AND account = ?

-- name: release_lock
UPDATE book_locks SET reserved_micros = 0, released_us = ?, evidence = ? WHERE order_ref = ? AND account = ?

-- name: release_lock_together
UPDATE book_locks SET reserved_micros = 0, released_us = now.column1, evidence = now.column2
FROM (VALUES (?, ?, ?, ?)) AS now WHERE order_ref = now.column3 AND account = now.column4

-- name: set_account
UPDATE book_accounts
SET cash_micros = ?1, orders_made = max(orders_made, ?2), signals_seen = max(signals_seen, ?3), updated_us = ?4,
    checksum = CASE checksum WHEN checksum(account, orders_made, signals_seen, opened_us, updated_us)
               THEN checksum(account, max(orders_made, ?2), max(signals_seen, ?3), opened_us, ?4)
               ELSE checksum END
WHERE account = ?5 AND cash_micros = ?6

-- name: count_events
UPDATE book_accounts SET journal_events = journal_events + ? WHERE account = ?

-- name: insert_day
INSERT INTO book_days (account, day, started_us, opening_equity_micros) VALUES (?, ?, ?, ?)

-- name: put_mark
INSERT INTO book_marks (account, symbol, price_micros, at_us, checksum)
SELECT column1, column2, column3, column4, checksum(column1, column2, column3, column4)
FROM (VALUES (?, ?, ?, ?)) WHERE TRUE
ON CONFLICT (account, symbol) DO UPDATE SET
    price_micros = excluded.price_micros, at_us = excluded.at_us, checksum = excluded.checksum

-- `+ 0.0` makes of a whole number, and of -0.0, what its column makes of it.

-- name: put_signal
INSERT INTO book_signals (account, id, symbol, probability, signal_us, received_us, source, outcome, stage, rule,
                          measured, limit_value, detail, order_ref, count, checksum)
SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10, column11, column12,
       column13, column14, column15,
       checksum(column1, column2, column3, column4 + 0.0, column5, column6, column7, column8, column9, column10,
                column11 + 0.0, column12 + 0.0, column13, column14, column15)
FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) WHERE TRUE
ON CONFLICT (account, id) DO UPDATE SET
    outcome = excluded.outcome, stage = excluded.stage, rule = excluded.rule, measured = excluded.measured,
    limit_value = excluded.limit_value, detail = excluded.detail, order_ref = excluded.order_ref,
    checksum = CASE checksum
               WHEN checksum(account, id, symbol, probability, signal_us, received_us, source, outcome, stage, rule,
                             measured, limit_value, detail, order_ref, count)
               THEN checksum(account, id, symbol, probability, signal_us, received_us, source, excluded.outcome,
                             excluded.stage, excluded.rule, excluded.measured + 0.0, excluded.limit_value + 0.0,
                             excluded.detail, excluded.order_ref, count)
               ELSE checksum END

-- name: put_inbox
INSERT INTO book_inbox (account, path, offset, line, checksum) VALUES (?1, ?2, ?3, ?4, checksum(?1, ?2, ?3, ?4))
ON CONFLICT (account, path) DO UPDATE SET
    offset = excluded.offset, line = excluded.line, checksum = excluded.checksum

-- name: insert_halt
INSERT INTO book_halts (account, scope, target, reason, since_us, flattens) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (account, scope, target) WHERE cleared_us IS NULL DO UPDATE SET flattens = excluded.flattens

-- name: clear_halt
UPDATE book_halts SET cleared_us = ?, cleared_reason = ?
WHERE account = ? AND scope = ? AND target = ? AND cleared_us IS NULL

-- name: insert_latch
INSERT INTO book_latches (account, breaker, scope, target, cause, measured, limit_value, inputs, formula, flattens,
                          tripped_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: clear_latch
UPDATE book_latches SET cleared_us = ?, cleared_by = ?, cleared_reason = ?
WHERE account = ? AND breaker = ? AND target = ? AND cleared_us IS NULL

-- name: put_drift
INSERT INTO book_drift (account, symbol, book, broker, since_us) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (account, symbol) DO UPDATE SET
    book = excluded.book, broker = excluded.broker, since_us = excluded.since_us

-- name: end_drift
DELETE FROM book_drift WHERE account = ? AND symbol = ?

-- name: put_reconciled
INSERT INTO book_reconciled (account, at_us, checksum) VALUES (?1, ?2, checksum(?1, ?2))
ON CONFLICT (account) DO UPDATE SET at_us = excluded.at_us, checksum = excluded.checksum

-- name: reconciled
SELECT at_us FROM book_reconciled WHERE account = ?

-- name: put_cash_drift
INSERT INTO book_cash_drift (account, book_micros, broker_micros, since_us) VALUES (?, ?, ?, ?)
ON CONFLICT (account) DO UPDATE SET
    book_micros = excluded.book_micros, broker_micros = excluded.broker_micros, since_us = excluded.since_us

-- name: end_cash_drift
DELETE FROM book_cash_drift WHERE account = ?

-- name: insert_movement
INSERT INTO book_cash_movements (account, movement, booked_us) VALUES (?, ?, ?)

-- name: insert_event
INSERT INTO book_events (account, seq, type, symbol, at_us, data, hash) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: insert_input
INSERT INTO book_inputs (account, at_us, kind, data, checksum) VALUES (?1, ?2, ?3, ?4, checksum(?1, ?2, ?3, ?4))

-- name: insert_account
INSERT INTO book_accounts (account, starting_cash_micros, cash_micros, opened_us, updated_us, checksum)
VALUES (?1, ?2, ?3, ?4, ?5, checksum(?1, 0, 0, ?4, ?5))

-- name: insert_stamp
INSERT INTO book_stamp (one, kind, book_id, epoch, seed, created_us, checksum)
VALUES (1, ?1, ?2, ?3, ?4, ?5, checksum(?1, ?2, ?3, ?4, ?5))

-- name: begin_epoch
UPDATE book_stamp SET epoch = ?1,
    checksum = CASE checksum WHEN checksum(kind, book_id, epoch, seed, created_us)
               THEN checksum(kind, book_id, ?1, seed, created_us) ELSE checksum END

-- name: stamp
SELECT kind, book_id, epoch, seed, created_us FROM book_stamp

-- Whose each account of the book is at the broker: its journal's first event says, else it is the one that was stamped.

-- name: broker_accounts
SELECT e.account, coalesce(json_extract(e.data, '$.broker_account'), s.book_id)
FROM book_stamp s, book_accounts a JOIN book_events e ON e.account = a.account AND e.seq = 1

-- name: account
SELECT starting_cash_micros, cash_micros, orders_made, signals_seen FROM book_accounts WHERE account = ?

-- name: journal_head
SELECT seq, hash, at_us FROM book_events WHERE account = ? ORDER BY seq DESC LIMIT 1

-- name: journal_length
SELECT journal_events FROM book_accounts WHERE account = ?

-- name: held_symbols
SELECT symbol FROM book_positions WHERE account = ?1 AND quantity > 0
UNION
SELECT symbol FROM book_orders WHERE account = ?1 AND state IN ('created', 'working', 'cancelling', 'unknown')
ORDER BY symbol

-- name: held_shares
SELECT symbol, quantity FROM book_positions WHERE account = ? AND quantity > 0

-- name: executed_shares
SELECT symbol, sum(CASE side WHEN 'BUY' THEN quantity ELSE -quantity END) FROM book_fills WHERE account = ?
GROUP BY symbol

-- name: held_positions
SELECT account, symbol, family, direction, quantity, cost_micros, entry_micros, initial_stop_micros, stop_micros,
       take_profit_micros, state, closing_purpose, closing_reason, opened_us, updated_us, bought, bought_micros, sold_micros, realized_micros
FROM book_positions WHERE account = ? AND quantity > 0 ORDER BY symbol

-- Shares of a sale that was undone come first, the newest of them before all: `Reversal` puts them there.

-- name: open_lots
SELECT l.execution_id, l.symbol, l.opened_us, l.remaining, l.cost_micros
FROM book_lots l INDEXED BY open_lots JOIN book_fills f ON f.account = l.account AND f.execution_id = l.execution_id
WHERE l.account = ? AND l.remaining > 0 ORDER BY CASE f.purpose WHEN 'reversal' THEN -f.id ELSE f.id END

-- CROSS: from the live locks to their orders, and not through all orders to those that have one.

-- name: live_orders
SELECT order_ref, account, symbol, side, quantity, limit_micros, purpose, reason, signal_id, state, filled,
       created_us, updated_us, stop_micros, oca, perm_id
FROM book_orders INDEXED BY one_live_exit_per_symbol
WHERE account = :account AND side = 'SELL' AND purpose <> 'protection'
  AND state IN ('created', 'working', 'cancelling', 'unknown')
UNION ALL
SELECT order_ref, account, symbol, side, quantity, limit_micros, purpose, reason, signal_id, state, filled,
       created_us, updated_us, stop_micros, oca, perm_id
FROM book_orders INDEXED BY live_protection
WHERE account = :account AND purpose = 'protection' AND state IN ('created', 'working', 'cancelling', 'unknown')
UNION ALL
SELECT o.order_ref, o.account, o.symbol, o.side, o.quantity, o.limit_micros, o.purpose, o.reason, o.signal_id, o.state,
       o.filled, o.created_us, o.updated_us, o.stop_micros, o.oca, o.perm_id
FROM book_locks l CROSS JOIN book_orders o ON o.account = l.account AND o.order_ref = l.order_ref
WHERE l.account = :account AND l.released_us IS NULL AND o.state IN ('created', 'working', 'cancelling', 'unknown')
ORDER BY created_us

-- name: ended_orders
SELECT order_ref, account, symbol, side, quantity, limit_micros, purpose, reason, signal_id, state, filled,
       created_us, updated_us, stop_micros, oca, perm_id
FROM book_orders WHERE account = ? AND created_us >= ? AND state IN ('filled', 'cancelled', 'rejected')

-- name: live_locks
SELECT order_ref, account, symbol, family, direction, reserved_micros, takes_slot, acquired_us
FROM book_locks WHERE account = ? AND released_us IS NULL

-- name: halts
SELECT scope, target, reason, since_us, flattens FROM book_halts WHERE account = ? AND cleared_us IS NULL ORDER BY id

-- name: newest_resumption
SELECT max(cleared_us) FROM book_halts WHERE account = ? AND scope = 'all'

-- name: latches
SELECT breaker, scope, target, cause, measured, limit_value, inputs, formula, flattens, tripped_us
FROM book_latches WHERE account = ? AND cleared_us IS NULL ORDER BY id

-- name: latches_cleared
SELECT breaker, target, max(cleared_us) FROM book_latches
WHERE account = ? AND cleared_us IS NOT NULL GROUP BY breaker, target

-- name: audit_latches
SELECT inputs, cleared_us IS NOT NULL, tripped_us FROM book_latches WHERE account = ? AND breaker = 'audit' ORDER BY id

-- name: audit_findings_gone
SELECT subject, max(last_us) FROM book_alarms WHERE account = ? AND type = 'audit_gone' GROUP BY subject

-- What equity a day began with, and what cash has come or gone otherwise than by trading, in their order.
-- name: days_and_movements
SELECT type = 'day_started', coalesce(json_extract(data, '$.opening_equity_micros'),
                                      json_extract(data, '$.amount_micros')), at_us
FROM book_events INDEXED BY cash_and_days_told WHERE account = ? AND type IN ('cash_moved', 'day_started') ORDER BY seq

-- What breakers count from that were cleared since the newest day began, the newest last.
-- name: bases_of_the_day
SELECT json_extract(data, '$.breaker'), at_us, json_extract(data, '$.from_micros')
FROM book_events
WHERE account = :account AND type = 'breaker_cleared' AND json_extract(data, '$.from_micros') IS NOT NULL
AND seq > (SELECT seq FROM book_events INDEXED BY cash_and_days_told
           WHERE account = :account AND type IN ('cash_moved', 'day_started') AND type = 'day_started'
           ORDER BY seq DESC LIMIT 1)
ORDER BY seq

-- What a breaker counts from since it was cleared then, found within the day of that.
-- name: base_of_a_clearing
SELECT json_extract(data, '$.from_micros')
FROM book_events
WHERE account = :account AND type = 'breaker_cleared' AND at_us = :cleared_us
AND json_extract(data, '$.breaker') = :breaker
AND seq > coalesce((SELECT seq FROM book_events INDEXED BY cash_and_days_told
                    WHERE account = :account AND type IN ('cash_moved', 'day_started') AND type = 'day_started'
                    AND at_us <= :cleared_us ORDER BY seq DESC LIMIT 1), 0)
ORDER BY seq LIMIT 1

-- name: drift
SELECT symbol, book, broker, since_us FROM book_drift WHERE account = ? ORDER BY symbol

-- name: cash_drift
SELECT book_micros, broker_micros, since_us FROM book_cash_drift WHERE account = ?

-- What has broken and not been looked at: the halt that it has made, or one that stood already, still stands. Of an
-- execution that was booked later, nothing is broken any more.
-- name: breaks
SELECT e.type, e.symbol, e.at_us, e.data, o.perm_id, o.state, o.filled
FROM book_events AS e
LEFT JOIN book_orders AS o ON o.account = e.account AND o.order_ref = json_extract(e.data, '$.order_ref')
WHERE e.account = ? AND e.type IN ('identity_broken', 'unexpected_fill')
AND EXISTS (
    SELECT 1 FROM book_halts AS h
    WHERE h.account = e.account AND h.cleared_us IS NULL AND h.since_us <= e.at_us
    AND (h.scope = 'all' OR (h.scope = 'symbol' AND h.target = e.symbol))
)
AND NOT EXISTS (
    SELECT 1 FROM book_fills AS f
    WHERE f.account = e.account AND f.execution_id = json_extract(e.data, '$.execution_id') AND f.booked_us > e.at_us
)
ORDER BY e.seq

-- name: moved
SELECT movement FROM book_cash_movements WHERE account = ? AND movement = ?

-- name: newest_day
SELECT day, started_us, opening_equity_micros FROM book_days WHERE account = ? ORDER BY day DESC LIMIT 1

-- name: openings_since
SELECT count(*), coalesce(sum(quantity * limit_micros * multiplier), 0) FROM book_orders
WHERE account = ? AND purpose = 'entry' AND created_us >= ?

-- name: entered_since
SELECT symbol, max(created_us) FROM book_orders
WHERE account = ? AND purpose = 'entry' AND created_us >= ? GROUP BY symbol

-- What is newest is read backwards, row by row, for as long as it is new enough: `+` keeps an index from sorting all.

-- name: newest_executions
SELECT execution_id, reason, commission_micros, order_ref,
       CASE purpose WHEN 'adjust' THEN 0 WHEN 'reversal' THEN -quantity ELSE quantity END, booked_us
FROM charged_fills WHERE +account = ? ORDER BY id DESC

-- name: moved_beyond
SELECT json_extract(data, '$.execution_id'), json_extract(data, '$.order_ref'), json_extract(data, '$.beyond'), at_us
FROM book_events WHERE account = ? AND type = 'order_state' AND json_extract(data, '$.beyond') IS NOT NULL
ORDER BY seq DESC

-- name: newest_proceeds
SELECT CASE purpose WHEN 'reversal' THEN -(side = 'BUY') ELSE side = 'SELL' END * quantity * price_micros * multiplier,
       commission_micros, executed_us, booked_us
FROM charged_fills WHERE +account = ? ORDER BY id DESC

-- name: booked
SELECT account, execution_id, order_ref, symbol, side, quantity, price_micros, commission_micros, realized_micros,
       purpose, reason, executed_us
FROM charged_fills WHERE account = ? AND execution_id = ?

-- name: closings
SELECT t.id, t.symbol, f.id FROM book_round_trips t
JOIN book_fills f ON f.account = t.account AND f.execution_id = t.closed_by
WHERE +t.account = ? ORDER BY t.id DESC

-- name: fill_number
SELECT id, symbol FROM book_fills WHERE account = ? AND execution_id = ?

-- name: newest_round_trips
SELECT symbol, opened_us, pnl_micros, closed_us FROM book_round_trips WHERE +account = ? ORDER BY id DESC

-- name: newest_signals
SELECT id, received_us FROM book_signals WHERE +account = ? ORDER BY rowid DESC

-- name: refusals
SELECT rule, sum(count) FROM book_signals
WHERE account = ? AND received_us >= ? AND received_us < ? AND outcome = 'refused' GROUP BY rule ORDER BY 2 DESC, 1

-- name: inbox
SELECT path, offset, line FROM book_inbox WHERE account = ?

-- name: repeat_alarm
UPDATE book_alarms SET count = count + 1, last_us = ?1, text = ?2,
    checksum = CASE checksum
               WHEN checksum(account, seq, type, severity, subject, text, first_us, last_us, count, acknowledged_us,
                             acknowledged_by)
               THEN checksum(account, seq, type, severity, subject, ?2, first_us, ?1, count + 1, acknowledged_us,
                             acknowledged_by)
               ELSE checksum END
WHERE account = ?3 AND seq = ?4

-- name: insert_alarm
INSERT INTO book_alarms (account, seq, type, severity, subject, text, first_us, last_us, count, checksum)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, checksum(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, NULL, NULL))

-- name: newest_alarm
SELECT seq, last_us FROM book_alarms INDEXED BY newest_alarms
WHERE account = :account AND type = :type AND subject = :subject ORDER BY seq DESC LIMIT 1

-- name: acknowledge_alarm
UPDATE book_alarms SET acknowledged_us = ?1, acknowledged_by = ?2,
    checksum = CASE checksum
               WHEN checksum(account, seq, type, severity, subject, text, first_us, last_us, count, acknowledged_us,
                             acknowledged_by)
               THEN checksum(account, seq, type, severity, subject, text, first_us, last_us, count, ?1, ?2)
               ELSE checksum END
WHERE account = ?3 AND seq = ?4 AND acknowledged_us IS NULL

-- name: insert_delivery
INSERT INTO book_deliveries (account, alarm, channel, count, at_us, checksum)
VALUES (?1, ?2, ?3, ?4, ?5, checksum(?1, ?2, ?3, ?4, ?5))

-- name: untold_alarms
SELECT seq, type, severity, subject, text, first_us, last_us, count, times, told_us FROM (
    SELECT a.*,
           (SELECT count(*) FROM book_deliveries d
            WHERE d.account = a.account AND d.alarm = a.seq AND d.channel = :channel) AS times,
           (SELECT max(at_us) FROM book_deliveries d
            WHERE d.account = a.account AND d.alarm = a.seq AND d.channel = :channel) AS told_us,
           (SELECT max(count) FROM book_deliveries d
            WHERE d.account = a.account AND d.alarm = a.seq AND d.channel = :channel) AS told_count
    FROM book_alarms a INDEXED BY open_alarms
    WHERE a.account = :account AND a.acknowledged_us IS NULL AND a.type IN (SELECT value FROM json_each(:types))
) WHERE count > coalesce(told_count, 0) ORDER BY seq

-- name: inputs
SELECT seq, at_us, kind, data FROM book_inputs WHERE account = :account AND seq > :after AND seq <= :last ORDER BY seq

-- name: missing_inputs
SELECT seq + 1, next - 1 FROM (
    SELECT seq, lead(seq) OVER (ORDER BY seq) AS next FROM book_inputs WHERE seq > :after AND seq <= :last
) WHERE next > seq + 1 ORDER BY seq

-- name: newest_signal
SELECT rowid FROM book_signals WHERE account = ? ORDER BY rowid DESC LIMIT 1

-- name: newest_input
SELECT seq FROM book_inputs WHERE account = ? ORDER BY seq DESC LIMIT 1

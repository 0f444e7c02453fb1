-- A small book in which everything is as it should be, into which each violation is planted.
--
-- Times (columns `_us`) are minutes after the opening of 2025-06-23; `sow` makes microseconds of them, and the chain
-- of hashes. Two accounts trade the same family on opposite sides, at the same minutes, with the same execution ids, so
-- that a rule that mixes accounts up finds fault with it. In the first one stand a position that has come and gone, one
-- whose entry still works and which a stop and a target protect, an entry that was rejected, and a halt, a drift and cash
-- that are over; its second run tells when the broker has told everything, as the first one did not. The second one
-- holds a position that is on its way out.

INSERT INTO book_stamp (one, kind, book_id, epoch, seed, created_us) VALUES (1, 'paper', 'DU1', 1, 7, 0);

INSERT INTO book_accounts (account, starting_cash_micros, cash_micros, reserved_micros, orders_made, signals_seen,
                           opened_us, updated_us) VALUES
    ('one', 100000000000, 96087000000, 2010000000, 6, 4, 0, 14),
    ('two', 50000000000, 45999000000, 0, 2, 2, 0, 15);

INSERT INTO book_orders (order_ref, account, symbol, side, quantity, filled, limit_micros, state, purpose, reason,
                         signal_id, created_us, updated_us, stop_micros, oca, perm_id) VALUES
    ('one-1-0001', 'one', 'QQQ', 'BUY', 10, 10, 501000000, 'filled', 'entry', 'signal', 'S-0001', 1, 2, NULL, '', 11),
    ('one-1-0002', 'one', 'QQQ', 'SELL', 10, 10, NULL, 'filled', 'exit', 'signal', '', 3, 4, NULL, '', 12),
    ('one-1-0003', 'one', 'AAPL', 'BUY', 30, 20, 201000000, 'working', 'entry', 'signal', 'S-0003', 5, 6, NULL, '', 13),
    ('one-1-0004', 'one', 'MSFT', 'BUY', 5, 0, 400000000, 'rejected', 'entry', 'signal', 'S-0004', 11, 12, NULL,
     '', 14),
    ('one-1-0005', 'one', 'AAPL', 'SELL', 20, 0, NULL, 'created', 'protection', 'stop', '', 14, 14, 198000000,
     'one-1-0005', NULL),
    ('one-1-0006', 'one', 'AAPL', 'SELL', 20, 0, 204200000, 'working', 'protection', 'take_profit', '', 14, 15, NULL,
     'one-1-0005', 15),
    ('two-1-0001', 'two', 'PSQ', 'BUY', 100, 100, 41000000, 'filled', 'entry', 'signal', 'S-0001', 1, 2, NULL, '', 11),
    ('two-1-0002', 'two', 'PSQ', 'SELL', 100, 0, NULL, 'working', 'exit', 'signal', '', 15, 15, NULL, '', 12);

INSERT INTO book_locks (order_ref, account, symbol, family, direction, reserved_micros, takes_slot, acquired_us,
                        released_us, evidence) VALUES
    ('one-1-0001', 'one', 'QQQ', 'QQQ', 1, 0, 1, 1, 2, 'filled'),
    ('one-1-0003', 'one', 'AAPL', 'AAPL', 1, 2010000000, 1, 5, NULL, NULL),
    ('one-1-0004', 'one', 'MSFT', 'MSFT', 1, 0, 1, 11, 12, 'rejected: not today'),
    ('two-1-0001', 'two', 'PSQ', 'QQQ', -1, 0, 1, 1, 2, 'filled');

INSERT INTO book_fills (id, account, execution_id, order_ref, symbol, side, quantity, price_micros, commission_micros,
                        realized_micros, purpose, reason, executed_us, booked_us) VALUES
    (1, 'one', 'X1', 'one-1-0001', 'QQQ', 'BUY', 10, 500000000, 1000000, -1000000, 'entry', 'signal', 2, 2),
    (2, 'two', 'X1', 'two-1-0001', 'PSQ', 'BUY', 100, 40000000, 1000000, -1000000, 'entry', 'signal', 2, 2),
    (3, 'one', 'X2', 'one-1-0002', 'QQQ', 'SELL', 10, 505000000, 0, 50000000, 'exit', 'signal', 4, 4),
    (4, 'one', 'X3', 'one-1-0003', 'AAPL', 'BUY', 20, 200000000, 0, 0, 'entry', 'signal', 6, 6);
INSERT INTO book_commissions (account, execution_id, commission_micros, booked_us) VALUES
    ('one', 'X3', 1000000, 7), ('one', 'X2', 1000000, 14);

INSERT INTO book_lots (account, execution_id, symbol, opened_us, remaining, cost_micros) VALUES
    ('one', 'X1', 'QQQ', 2, 0, 0),
    ('one', 'X3', 'AAPL', 6, 20, 4000000000),
    ('two', 'X1', 'PSQ', 2, 100, 4000000000);

INSERT INTO book_positions (account, symbol, family, direction, quantity, cost_micros, entry_micros,
                            initial_stop_micros, stop_micros, take_profit_micros, state, closing_purpose,
                            closing_reason, opened_us, updated_us, bought, bought_micros, sold_micros,
                            realized_micros) VALUES
    ('one', 'QQQ', 'QQQ', 1, 0, 0, NULL, NULL, NULL, NULL, 'flat', NULL, '', 2, 4, 10, 5000000000, 5050000000,
     48000000),
    ('one', 'AAPL', 'AAPL', 1, 20, 4000000000, 200000000, 197200000, 198000000, 204200000, 'opening', NULL, '', 6, 8,
     20, 4000000000, 0, -1000000),
    ('two', 'PSQ', 'QQQ', -1, 100, 4000000000, 40000000, 39440000, 39440000, 40840000, 'closing', 'exit', 'signal',
     2, 15, 100, 4000000000, 0, -1000000);

INSERT INTO book_round_trips (id, account, symbol, opened_us, closed_us, quantity, bought_micros, sold_micros,
                              pnl_micros, exit_reason, closed_by) VALUES
    (1, 'one', 'QQQ', 2, 4, 10, 5000000000, 5050000000, 48000000, 'signal', 'X2');

INSERT INTO book_signals (account, id, symbol, probability, signal_us, received_us, source, outcome, stage, rule,
                          measured, limit_value, detail, order_ref, count) VALUES
    ('one', 'S-0001', 'QQQ', 0.8, 1, 1, 'momentum', 'ordered', NULL, NULL, NULL, NULL, '', 'one-1-0001', 1),
    ('one', 'S-0002', 'QQQ', 0.5, 3, 3, 'momentum', 'closing', NULL, NULL, NULL, NULL, '', '', 1),
    ('one', 'S-0003', 'AAPL', 0.8, 5, 5, 'momentum', 'ordered', NULL, NULL, NULL, NULL, '', 'one-1-0003', 1),
    ('one', 'S-0004', 'MSFT', 0.8, 11, 11, 'momentum', 'ordered', NULL, NULL, NULL, NULL, '', 'one-1-0004', 1),
    ('two', 'S-0001', 'QQQ', 0.2, 1, 1, 'momentum', 'ordered', NULL, NULL, NULL, NULL, '', 'two-1-0001', 1),
    ('two', 'S-0002', 'QQQ', 0.5, 15, 15, 'momentum', 'closing', NULL, NULL, NULL, NULL, '', '', 1);

INSERT INTO book_halts (id, account, scope, target, reason, since_us, cleared_us, cleared_reason, flattens) VALUES
    (1, 'one', 'symbol', 'MSFT', 'news', 9, 10, 'read', 0);
INSERT INTO book_latches (id, account, breaker, scope, target, cause, measured, limit_value, inputs, formula, flattens,
                          tripped_us, cleared_us, cleared_by, cleared_reason) VALUES
    (1, 'one', 'price_jump', 'symbol', 'MSFT', 'it has jumped', 30.5, 25.0, '{"close":130.5}', 'percent >= 25', 0,
     14, 15, 'me', 'read');
INSERT INTO book_days (account, day, started_us, opening_equity_micros) VALUES
    ('one', '2025-06-23', 0, 100000000000), ('two', '2025-06-23', 0, 50000000000);
INSERT INTO book_cash_movements (account, movement, booked_us) VALUES
    ('one', 'M1', 8), ('one', 'M2', 14);
INSERT INTO book_inputs (seq, account, at_us, kind, data) VALUES
    (1, 'one', 1, 'Tick', ''), (2, 'two', 1, 'Tick', '');
INSERT INTO book_marks (account, symbol, price_micros, at_us) VALUES ('one', 'AAPL', 200000000, 14);
INSERT INTO book_inbox (account, path, offset, line) VALUES ('one', 'signals', 10, 1);
INSERT INTO book_reconciled (account, at_us) VALUES ('one', 15);
INSERT INTO book_alarms (account, seq, type, severity, subject, text, first_us, last_us, count) VALUES
    ('one', 28, 'breaker_tripped', 'critical', 'price_jump', 'it has jumped', 14, 14, 1);
INSERT INTO book_deliveries (id, account, alarm, channel, count, at_us) VALUES (1, 'one', 28, 'mail', 1, 14);

INSERT INTO book_events (account, seq, type, symbol, at_us, data) VALUES
    ('one', 1, 'account_opened', '', 0, '{"starting_cash_micros": 100000000000}'),
    ('one', 2, 'run_started', '', 0, '{"kind": "paper"}'),
    ('one', 3, 'phase', '', 0, '{"phase": "open", "before": "", "day": "2025-06-23"}'),
    ('one', 4, 'day_started', '', 0, '{"day": "2025-06-23", "opening_equity_micros": 100000000000}'),
    ('one', 5, 'order_created', 'QQQ', 1, '
        {"side": "BUY", "purpose": "entry", "reason": "signal", "takes_slot": true, "probability": 0.8, "threshold":
         0.75, "seconds_to_cutoff": 20000, "room_micros": 15000000000, "order_ref": "one-1-0001", "quantity": 10,
         "limit_micros": 501000000, "signal_id": "S-0001", "family": "QQQ", "direction": 1, "reserved_micros":
         5011000000}'),
    ('one', 6, 'fill', 'QQQ', 2, '
        {"commission_micros": 1000000, "purpose": "entry", "reason": "signal", "side": "BUY", "position_created":
         true, "execution_id": "X1", "order_ref": "one-1-0001", "quantity": 10, "price_micros": 500000000,
         "realized_micros": -1000000, "executed_us": 1750685520000000, "family": "QQQ", "direction": 1, "held": 10,
         "stop_micros": 493000000, "take_profit_micros": 510500000, "lock_released": true}'),
    ('one', 7, 'position_closing', 'QQQ', 3, '{"purpose": "exit", "reason": "signal", "signal_id": "S-0002"}'),
    ('one', 8, 'order_created', 'QQQ', 3, '
        {"side": "SELL", "limit_micros": null, "purpose": "exit", "reason": "signal", "signal_id": "", "order_ref":
         "one-1-0002", "quantity": 10}'),
    ('one', 9, 'fill', 'QQQ', 4, '
        {"execution_id": "X2", "order_ref": "one-1-0002", "side": "SELL", "quantity": 10, "price_micros": 505000000,
         "commission_micros": 0, "realized_micros": 50000000, "purpose": "exit", "reason": "signal",
         "executed_us": 1750685640000000, "family": "QQQ", "direction": 1, "held": 0, "stop_micros": null,
         "take_profit_micros": null, "position_created": false, "lock_released": false}'),
    ('one', 10, 'order_created', 'AAPL', 5, '
        {"side": "BUY", "purpose": "entry", "reason": "signal", "takes_slot": true, "probability": 0.8, "threshold":
         0.75, "seconds_to_cutoff": 20000, "room_micros": 15000000000, "order_ref": "one-1-0003", "quantity": 30,
         "limit_micros": 201000000, "signal_id": "S-0003", "family": "AAPL", "direction": 1, "reserved_micros":
         6031000000}'),
    ('one', 11, 'fill', 'AAPL', 6, '
        {"commission_micros": 0, "purpose": "entry", "reason": "signal", "side": "BUY", "position_created": true,
         "execution_id": "X3", "order_ref": "one-1-0003", "quantity": 20, "price_micros": 200000000,
         "realized_micros": 0, "executed_us": 1750685760000000, "family": "AAPL", "direction": 1, "held": 20,
         "stop_micros": 197200000, "take_profit_micros": 204200000, "lock_released": false}'),
    ('one', 12, 'commission', 'AAPL', 7, '
        {"execution_id": "X3", "order_ref": "one-1-0003", "commission_micros": 1000000}'),
    ('one', 13, 'stop_tightened', 'AAPL', 8, '{"stop_micros": 198000000}'),
    ('one', 14, 'cash_moved', '', 8, '
        {"amount_micros": 50000000, "kind": "deposit", "reason": "wire", "movement": "M1"}'),
    ('one', 15, 'halted', '', 9, '{"scope": "symbol", "target": "MSFT", "reason": "news", "flattens": false}'),
    ('one', 16, 'resumed', '', 10, '{"key": "symbol:MSFT", "reason": "read"}'),
    ('one', 17, 'order_created', 'MSFT', 11, '
        {"side": "BUY", "purpose": "entry", "reason": "signal", "takes_slot": true, "probability": 0.8, "threshold":
         0.75, "seconds_to_cutoff": 20000, "room_micros": 15000000000, "order_ref": "one-1-0004", "quantity": 5,
         "limit_micros": 400000000, "signal_id": "S-0004", "family": "MSFT", "direction": 1, "reserved_micros":
         2001000000}'),
    ('one', 18, 'order_state', 'MSFT', 12, '{"order_ref": "one-1-0004", "state": "rejected", "reason": "not today"}'),
    ('one', 19, 'lock_released', 'MSFT', 12, '{"order_ref": "one-1-0004", "evidence": "rejected: not today"}'),
    ('one', 20, 'drift_found', 'JD', 13, '{"book": 0, "broker": 7}'),
    ('one', 21, 'cash_differs', '', 13, '{"book_micros": 1, "broker_micros": 2}'),
    ('one', 22, 'drift_ended', 'JD', 14, '{"reason": "book and broker have 0"}'),
    ('one', 23, 'cash_agrees', '', 14, '{"reason": "as told"}'),
    ('one', 24, 'commission', 'QQQ', 14, '
        {"execution_id": "X2", "order_ref": "one-1-0002", "commission_micros": 1000000}'),
    ('one', 25, 'cash_moved', '', 14, '
        {"amount_micros": -10000000, "kind": "fee", "reason": "market data", "movement": "M2"}'),
    ('one', 26, 'order_created', 'AAPL', 14, '
        {"side": "SELL", "limit_micros": null, "stop_micros": 198000000, "oca": "one-1-0005", "purpose": "protection",
         "reason": "stop", "signal_id": "", "order_ref": "one-1-0005", "quantity": 20}'),
    ('one', 27, 'order_created', 'AAPL', 14, '
        {"side": "SELL", "limit_micros": 204200000, "stop_micros": null, "oca": "one-1-0005", "purpose": "protection",
         "reason": "take_profit", "signal_id": "", "order_ref": "one-1-0006", "quantity": 20}'),
    ('one', 28, 'breaker_tripped', '', 14, '
        {"breaker": "price_jump", "scope": "symbol", "target": "MSFT", "cause": "it has jumped", "measured": 30.5,
         "limit_value": 25.0, "inputs": {"close":130.5}, "formula": "percent >= 25", "flattens": false}'),
    ('one', 29, 'breaker_cleared', '', 15, '
        {"breaker": "price_jump", "target": "MSFT", "cleared_by": "me", "reason": "read"}'),
    ('one', 30, 'run_started', '', 15, '{"kind": "paper", "tells": 2}'),
    ('one', 31, 'reconciled', '', 15, '{}'),
    ('two', 1, 'account_opened', '', 0, '{"starting_cash_micros": 50000000000}'),
    ('two', 2, 'run_started', '', 0, '{"kind": "paper"}'),
    ('two', 3, 'phase', '', 0, '{"phase": "open", "before": "", "day": "2025-06-23"}'),
    ('two', 4, 'day_started', '', 0, '{"day": "2025-06-23", "opening_equity_micros": 50000000000}'),
    ('two', 5, 'order_created', 'PSQ', 1, '
        {"side": "BUY", "purpose": "entry", "reason": "signal", "takes_slot": true, "probability": 0.2, "threshold":
         0.75, "seconds_to_cutoff": 20000, "room_micros": 15000000000, "order_ref": "two-1-0001", "quantity": 100,
         "limit_micros": 41000000, "signal_id": "S-0001", "family": "QQQ", "direction": -1, "reserved_micros":
         4101000000}'),
    ('two', 6, 'fill', 'PSQ', 2, '
        {"commission_micros": 1000000, "purpose": "entry", "reason": "signal", "side": "BUY", "position_created":
         true, "execution_id": "X1", "order_ref": "two-1-0001", "quantity": 100, "price_micros": 40000000,
         "realized_micros": -1000000, "executed_us": 1750685520000000, "family": "QQQ", "direction": -1, "held": 100,
         "stop_micros": 39440000, "take_profit_micros": 40840000, "lock_released": true}'),
    ('two', 7, 'position_closing', 'PSQ', 15, '{"purpose": "exit", "reason": "signal", "signal_id": "S-0002"}'),
    ('two', 8, 'order_created', 'PSQ', 15, '
        {"side": "SELL", "limit_micros": null, "purpose": "exit", "reason": "signal", "signal_id": "", "order_ref":
         "two-1-0002", "quantity": 100}');

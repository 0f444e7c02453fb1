"""What is mutated, and by which tests it has to be noticed. A test that is not about an area only costs its time."""

from typing import NamedTuple


class Area(NamedTuple):
    """A part of the code and the tests that are about it."""

    name: str
    code: tuple[str, ...]
    """Patterns of files."""
    tests: tuple[str, ...]
    every_case: bool = False
    """Whether a mutant is asked every case of a test from the first: where they are pure values and cost nothing."""
    isolation: str = "fork"
    """What a mutant is forked from. `forkserver`, a process that has run no test: threads that one has begun, as polars
    does, do not come along, and a mutant that waits for them would pass for one that was noticed."""


_AUDITING = (
    *("audit", "besides", "chain", "checksums", "following", "proof", "reading", "sound", "summing", "telling"),
    "watching",
)

AREAS = (
    Area(
        "pipeline",
        ("trader/pipeline/*",),
        ("tests/pipeline", "tests/services/test_limits_of_the_day.py", "tests/services/test_strategy_host.py"),
        every_case=True,
    ),
    Area(
        "locking",
        ("trader/services/locking.py", "trader/services/gate.py"),
        ("tests/incidents/test_one_symbol_fifty_two_buys.py", "tests/services/test_when_the_book_says_no.py"),
    ),
    Area(
        "settlement",
        ("trader/services/settlement.py", "trader/services/corrections.py", "trader/services/commissions.py"),
        (
            "tests/services/test_unexpected_executions.py",
            "tests/services/test_corrected_executions.py",
            "tests/services/test_late_commissions.py",
            "tests/services/test_unreadable_executions.py",
            "tests/services/test_sold_beyond_what_is_held.py",
            "tests/services/test_protection_at_the_broker.py",
            "tests/services/test_entry_and_exit_at_once.py",
            "tests/services/test_steps_that_fail_together.py",
        ),
    ),
    Area(
        "recovery",
        ("trader/services/recovery.py", "trader/services/reconciliation.py", "trader/services/inquiry.py"),
        (
            "tests/services/test_reconciliation.py",
            "tests/services/test_orders_of_unknown_fate.py",
            "tests/services/test_epochs.py",
            "tests/services/test_answers_that_something_happened_beside.py",
            "tests/services/test_exits_without_the_book.py",
            "tests/services/test_protection_at_the_broker.py::"
            "test_a_child_that_is_heard_before_its_entry_waits_for_the_answer",
        ),
    ),
    Area(
        "audit",
        # Where its functions are. The rules are queries, which tests/audit/test_mutations.py breaks one by one.
        tuple(f"trader/audit/{name}.py" for name in _AUDITING),
        (
            "tests/audit/test_proof.py",
            "tests/audit/test_rows_as_written.py",
            "tests/app/test_auditing.py",
            "tests/app/test_audit_beside_the_daemon.py::test_what_was_looked_at_is_carried_forward",
            "tests/app/test_audit_beside_the_daemon.py::test_each_commit_is_looked_at_once",
            "tests/app/test_audit_beside_the_daemon.py::"
            "test_what_is_looked_at_after_a_commit_is_told_by_the_journal_alone",
        ),
        isolation="forkserver",
    ),
)


def area_of(path: str) -> Area | None:
    """Where a file belongs."""
    return next((area for area in AREAS if any(path.startswith(code.rstrip("*")) for code in area.code)), None)

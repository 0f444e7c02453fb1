"""A daemon runs for months: what it remembers by id is bounded by days."""

from datetime import timedelta

from builders import NOON

from trader.services.recent import REMEMBERED, Recent

DAY = timedelta(days=1)


def test_what_is_young_is_known() -> None:
    recent = Recent({"found": 1})
    recent.add("new", 2, NOON)
    assert (recent.get("found"), recent.get("new"), recent.get("never")) == (1, 2, None)
    assert "found" in recent
    assert "new" in recent


def test_what_is_old_is_forgotten() -> None:
    recent = Recent({"found": 0})
    for day in range(100):
        recent.add(f"of day {day}", day, NOON + day * DAY)
    assert len(recent) == REMEMBERED // DAY + 1
    assert "found" not in recent
    assert "of day 89" in recent


def test_what_has_not_happened_is_not_known() -> None:
    recent = Recent[int]({})
    recent.add("a", 1, NOON)
    recent.forget(["a", "never"])
    assert "a" not in recent
    recent.add("a", 2, NOON + DAY)
    assert recent.get("a") == 2

#!/usr/bin/env python3
"""Write the exchange calendar's table, `trader/adapters/calendar/xnys.json`, from exchange_calendars.

Run it when that package has learned of a new closure: the daemon itself reads only the table, and never needs the
package.
"""

import json
from datetime import date, time, timedelta
from pathlib import Path

import exchange_calendars  # type: ignore[import-untyped]

FIRST, LAST = date(2000, 1, 1), date(2040, 12, 31)
TABLE = Path(__file__).parents[1] / "trader" / "adapters" / "calendar" / "xnys.json"
NEW_YORK = "America/New_York"


def main() -> None:
    """Write the table and say what is in it."""
    closes = regular_closes()
    closures = [day for day in weekdays() if day not in closes]
    early = {day: close for day, close in closes.items() if close != time(16)}
    table = {
        "first": FIRST.isoformat(),
        "last": LAST.isoformat(),
        "closures": [day.isoformat() for day in closures],
        "early_closes": {day.isoformat(): close.isoformat("minutes") for day, close in early.items()},
    }
    TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    print(f"{TABLE.name}: {FIRST} to {LAST}, {len(closures)} closures, {len(early)} half days")


def regular_closes() -> dict[date, time]:
    """Session -> its close, New York time. Stops at what the table cannot say: a late open, a session on a weekend."""
    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST.isoformat(), end=LAST.isoformat())
    closes: dict[date, time] = {}
    for label, opens_at, closes_at in zip(
        calendar.schedule.index, calendar.schedule["open"], calendar.schedule["close"], strict=True
    ):
        opens, day = opens_at.tz_convert(NEW_YORK), label.date()
        if opens.time() != time(9, 30) or day.weekday() >= 5:
            raise SystemExit(f"{day} opens at {opens}; the table has no word for that, teach Calendar first")
        closes[day] = closes_at.tz_convert(NEW_YORK).time()
    return closes


def weekdays() -> list[date]:
    """Every Monday to Friday of the table's years."""
    days = (FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1))
    return [day for day in days if day.weekday() < 5]


if __name__ == "__main__":
    main()

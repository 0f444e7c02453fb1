"""Bar files -> Tape: what a replay plays.

Rule 1: a file that cannot be read stops the replay before it begins; a row that cannot be a bar is refused, reported
with its line, and the rest is used.
Rule 2: a bar is known when it ends. A file whose bars are longer than the tape's interval would show the future, so
it is an error.
"""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from pathlib import Path

from trader.adapters.feeds.bar_checks import check_rows, session_gap
from trader.adapters.feeds.bar_files import BarFile, find_bar_files
from trader.adapters.feeds.bar_rows import read_rows
from trader.adapters.feeds.session_hours import SessionHours
from trader.adapters.feeds.tape import FileReport, Reel, Tape
from trader.domain.errors import DataError
from trader.domain.session import Calendar

_SESSION = timedelta(hours=6, minutes=30)


def read_tape(
    paths: Sequence[Path],
    calendar: Calendar,
    *,
    interval: timedelta | None = None,
    symbols: Collection[str] | None = None,
    start: date | None = None,
    end: date | None = None,
) -> Tape:
    """Read and check every file, and hold their bars ready in time order.

    `paths` are bar files and folders of them; `symbols` picks some of what is there. Without `interval` it is found in
    the files (see Reel). `start` and `end` are New York dates, both inclusive.

    Raises DataError, naming the file, for one that cannot be read, and when nothing is left to replay.
    """
    if interval is not None and interval <= timedelta(0):
        raise DataError(f"--interval is {_span(interval)}; give the length of one bar, for example 1m")
    if start and end and end < start:
        raise DataError(f"--from {start} is after --to {end}; swap them")
    files, ignored = find_bar_files(paths, symbols)
    hours = SessionHours(calendar, start, end)
    reels = tuple(_reel(file, hours) for file in files)
    interval = interval or _interval(reels)
    _check_interval(reels, interval)
    _check_not_empty([reel.report for reel in reels], start, end)
    return Tape(interval=interval, reels=reels, ignored=ignored)


def _reel(file: BarFile, hours: SessionHours) -> Reel:
    contents = read_rows(file.path)
    checked = check_rows(contents.rows, file.path, hours.first, hours.last)
    in_session, wanted = hours.of(checked.bars["at"])
    bars, inside = checked.bars.filter(wanted), int(in_session.sum())
    report = FileReport(
        file=str(file.path),
        symbol=file.symbol,
        sha256=contents.sha256,
        rows=contents.rows.height,
        used=bars.height,
        outside_session=checked.bars.height - inside,
        outside_dates=inside - bars.height,
        refused=checked.refused,
        bad_bars=checked.bad_bars,
    )
    usual_of_session, grid = session_gap(checked.bars["at"].filter(in_session))
    return Reel(report, bars, checked.smallest_gap, checked.usual_gap or usual_of_session, grid)


def _interval(reels: Sequence[Reel]) -> timedelta:
    """The smallest gap of all files. Where most gaps of a file agree they are its word: one odd time is not."""
    gaps = [gap for reel in reels if (gap := reel.usual_gap or reel.smallest_gap) is not None]
    if not gaps:
        report = reels[0].report
        raise DataError(
            f"{report.file} has too few bars to tell how long one is{_refused(report)}; give --interval, such as 1m"
        )
    return min(gaps)


def _check_interval(reels: Sequence[Reel], interval: timedelta) -> None:
    if interval > _SESSION:
        raise DataError(
            f"{reels[0].report.file}: daily bars cannot be replayed: not intraday (one bar every {_span(interval)}, "
            f"a session is {_span(_SESSION)}); use files of shorter bars, or correct --interval"
        )
    for reel in reels:
        longer = reel.grid if reel.grid is not None and reel.grid > interval else interval
        length = reel.usual_gap or longer
        if length != interval:
            raise DataError(
                f"{reel.report.file} has a bar every {_span(length)}, not every {_span(interval)}; "
                "replay files of one interval at a time, leave this one out, or correct --interval"
            )


def _check_not_empty(reports: Sequence[FileReport], start: date | None, end: date | None) -> None:
    if any(report.used for report in reports):
        return
    report = reports[0]
    dates = f", {report.outside_dates} not from {start or 'the first'} to {end or 'the last'}"
    raise DataError(
        f"nothing to replay: of {report.rows} rows of {report.file}, {report.outside_session} are outside regular "
        f"hours{dates if report.outside_dates else ''}{_refused(report)}; check its times (UTC) and prices"
    )


def _refused(report: FileReport) -> str:
    if not report.bad_bars:
        return ""
    bad = report.bad_bars[0]
    return f", {sum(report.refused.values())} are refused (line {bad.line}: {bad.fault})"


def _span(length: timedelta | None) -> str:
    seconds = length.total_seconds() if length else 0.0
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"

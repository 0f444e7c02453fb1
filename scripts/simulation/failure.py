"""A violation, told so that somebody can go and see: what, when, how to see it again, and what came before it."""

from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.text import Text

from simulation.runs import Ran
from simulation.shrinking import Shortest
from simulation.story import Story, newest_book, stories
from trader.app.cli.output import show_rows
from trader.app.cli.zones import in_zone

_LINES = 25
_HAPPENINGS = 40
_CONFIG = Path(__file__).with_name("simulation.toml")
"""Its account is that of the books."""
_COLUMNS = ("timestamp", "what", "id", "said")


class Report:
    """On standard output; coloured where that is a terminal."""

    def __init__(self, commit: str) -> None:
        """`commit`: what all of it was run on."""
        self._commit = commit
        self._console = Console(highlight=False)

    def tell(self, failure: Ran, shrunk: Shortest) -> None:
        """All of it. Log and story are those of the shortest run that fails."""
        self._console.print()
        self._say_what(failure)
        self._say_shortest(failure, shrunk)
        ran = shrunk.ran
        self._say_struck(ran)
        if ran.folder is not None:
            self._say("its files", f"{ran.folder}")
        self._listing("It died of", ran.outcome.traceback.splitlines())
        self._listing("The last lines of its log", ran.outcome.last_lines[-_LINES:])
        self._say_stories(ran)

    def mention(self, failure: Ran) -> None:
        """In short: there are others that were told of."""
        self._console.print()
        self._say_what(failure)

    def _say_what(self, failure: Ran) -> None:
        violation = failure.violation
        assert violation is not None  # noqa: S101
        check, _, words = violation.fault.partition(": ")
        number = f"INVARIANT {violation.number}" if violation.number else "FAILED"
        self._console.print(Text(f"{number}: {check.replace('_', ' ')}", style="bold red"), soft_wrap=True)
        self._console.print(Text(words), soft_wrap=True)
        at = f"{violation.at:%Y-%m-%d %H:%M:%S} UTC" if violation.at is not None else "before any"
        self._say("seed", f"{failure.run.seed}, {failure.run.days} days")
        self._say("market time", f"{at}, in life {violation.life}, {violation.strikes} faults had struck")
        self._say("commit", self._commit)
        self._say("again", failure.run.command)

    def _say_shortest(self, failure: Ran, shrunk: Shortest) -> None:
        limit = shrunk.ran.run.limit
        if failure.run.limit is not None or failure.violation is None or not failure.outcome.trace:
            return
        if limit == 0:
            self._say("shortest", "it fails with no fault at all")
        else:
            proved = "with one less it does not fail" if shrunk.is_proved else "time was up; fewer may do"
            self._say("shortest", f"the first {limit or failure.violation.strikes} faults: {proved}")
        if limit is not None:
            self._say("again, short", shrunk.ran.run.command)

    def _say_struck(self, ran: Ran) -> None:
        if ran.outcome.latest:
            self._say("last to strike", " > ".join(ran.outcome.latest))
        counts = Counter(ran.outcome.struck).most_common()
        if counts:
            self._say("struck", ", ".join(f"{fault} {count}" for fault, count in counts))

    def _say_stories(self, ran: Ran) -> None:
        violation = ran.violation
        book = newest_book(ran.folder) if ran.folder is not None else None
        if violation is None or book is None:
            return
        for story in stories(book, violation.fault, ran.outcome.last_lines):
            self._console.print()
            self._show(story)
            self._say("more", f"trader why {story.order_ref} --config {_CONFIG} --db {book}")

    def _show(self, story: Story) -> None:
        lines = [
            (f"{happening.at:%Y-%m-%dT%H:%M:%S}.{happening.at.microsecond // 1000:03}Z", *happening[2:])
            for happening in story.happenings[-_HAPPENINGS:]
        ]
        title = f"The story of order {story.order_ref}"
        if not self._console.is_terminal:
            self._console.print(title)
        show_rows(_COLUMNS, in_zone(_COLUMNS, lines, "UTC", as_json=False), as_json=False, title=title)

    def _say(self, name: str, text: str) -> None:
        self._console.print(Text.assemble((f"  {name:<15} ", "dim"), text), soft_wrap=True)

    def _listing(self, title: str, lines: list[str]) -> None:
        if lines:
            self._console.print(Text(f"\n{title}", style="italic"))
            for line in lines:
                self._console.print(Text(f"  {line}", style=_style(line)), soft_wrap=True)


def _style(line: str) -> str:
    return "red" if " ERROR " in line else "yellow" if " WARNING " in line else ""

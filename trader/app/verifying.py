"""Looking through the whole book while it is traded on: in a process of its own, which the loop does not feel."""

import asyncio
import json
import sys

from trader.app.checks import Verdict
from trader.app.settings import Settings
from trader.domain.errors import BookError

_OF_THE_BOOK = "book"


async def faults_of_the_book(settings: Settings) -> str:
    """What `trader doctor --full` says is wrong with the book, in words; empty when it is sound.

    Raises BookError when it could not look: not having looked is no good news.
    """
    program = (sys.executable, "-m", "trader", "doctor", "--full", "--json")
    process = await asyncio.create_subprocess_exec(  # noqa: TID251  (the seam)
        *program,
        *("--config", str(settings.toml_file), "--db", str(settings.book.db)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    try:
        checks = [check for check in json.loads(out) if check["what"].startswith(_OF_THE_BOOK)]
    except (ValueError, KeyError, TypeError):
        checks = []
    if not checks:
        raise BookError(f"the book could not be looked through: {err.decode(errors='replace').strip()[-300:]}")
    return "; ".join(check["said"] for check in checks if check["verdict"] == Verdict.FAIL)

"""What is said on a terminal: what it quotes of a broker or a file does not steer it."""

import pytest

from trader.app.cli.output import complain


def test_what_a_complaint_quotes_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    complain("trader: \x1b[2J\x9b31m\u202e said the broker\nand a line of ours")
    assert capsys.readouterr().err == "trader: \\x1b[2J\\x9b31m\\u202e said the broker\nand a line of ours\n"

"""The changes of mutants, told as JSON: called where they lie, as mutmut looks for them in the current folder."""

import json
import sys

from mutmut.mutation.diff_apply import get_diff_for_mutant


def main() -> None:
    """Names on standard input, a line each; a diff of each on standard output."""
    names = sys.stdin.read().split()
    json.dump({name: get_diff_for_mutant(name) for name in names}, sys.stdout)


if __name__ == "__main__":
    main()

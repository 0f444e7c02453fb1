"""What the proof has to say at the end of a test session."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypedDict


class Cell(TypedDict):
    """One cell as it travels between test processes."""

    stage: str
    trouble: str
    fired: Mapping[str, int]
    violations: int
    right_after_s: float
    virtual_s: float


def summary_of(cells: Sequence[Cell]) -> list[str]:
    """All cells in a few lines."""
    fired: Counter[str] = Counter()
    for cell in cells:
        fired.update(cell["fired"])
    stages = Counter(cell["stage"] for cell in cells)
    slowest = max(cells, key=lambda cell: cell["right_after_s"])
    hours = sum(cell["virtual_s"] for cell in cells) / 3600
    kinds = ", ".join(f"{name} {times}" for name, times in sorted(fired.items()))
    return [
        f"proof: {len(cells)} cells ({', '.join(f'{name} {number}' for name, number in sorted(stages.items()))}), "
        f"{len({cell['trouble'] for cell in cells})} troubles, {hours:.1f} virtual hours, "
        f"violations {sum(cell['violations'] for cell in cells)}",
        f"proof: {sum(fired.values())} faults of {len(fired)} kinds fired: {kinds}",
        f"proof: the last to be right again was {slowest['stage']} x {slowest['trouble']}, "
        f"{slowest['right_after_s']:.0f} virtual seconds after its healing",
    ]

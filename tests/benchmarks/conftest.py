"""Benchmarks print a table of ratios, each measured side by side in one run, and fail over their budget."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

ROWS: list[tuple[str, str, str, str]] = []


class Report:
    """Where a benchmark says what it found."""

    def row(self, what: str, measured: str, budget: str, note: str = "") -> None:
        """One line of the table."""
        ROWS.append((what, measured, budget, note))


@pytest.fixture
def report() -> Report:
    """The table."""
    return Report()


@pytest.fixture(scope="session", autouse=True)
def table() -> Iterator[None]:
    """Print everything at the end, in one piece."""
    yield
    widths = [max(len(row[i]) for row in [*ROWS, ("what", "measured", "budget", "")]) for i in range(4)]
    print()  # noqa: T201
    for row in [("what", "measured", "budget", ""), *ROWS]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())  # noqa: T201

"""Values of a result as a person reads them, here and on the screen."""

from __future__ import annotations

from typing import Any

import pytest

from engines.arrays import Array
from workbench.session.values import in_words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Array.of([1.0, 0.5]), "[1, 0.5]"),
        (Array.of([0.0] * 65), "float64 of shape [65]"),
        ({"along": "N", "points": []}, "{along, points}"),
        (["q", "V"], "q, V"),
        ([["neural", "network"], ["network"]], "neural network; network"),
        ([], "[]"),
        ([1, 2], "[1, 2]"),
        (0.1 + 0.2, "0.3"),
        (3, "3"),
        ("no", "no"),
        (None, "None"),
    ],
)
def test_a_value_is_written_as_one_would_type_it(value: Any, text: str) -> None:
    assert in_words(value) == text

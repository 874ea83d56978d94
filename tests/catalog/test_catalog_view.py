"""What a list shows after grouping, filtering and searching; and what is said to a name that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.catalog.catalog_samples import assignment, file, small_pack
from workbench.catalog import Catalog, UnknownExercise, near, shortened
from workbench.catalog.view import Entry, View, counts, entries, matches


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    pack = small_pack(tmp_path / "pack")
    assignment(pack, "week-2", "beta/gone", "beta/easy")
    assignment(pack, "week-3", "beta/gone")
    file(pack, "beta/broken.yaml", "[")
    return Catalog(str(pack))


SHARES = {"beta/hard": {"one": 1.0, "two": 1.0}, "alpha/middle": {"one": 1.0, "two": 0.5}, "beta/gone": {"x": 1.0}}


def shown(lines: list[Entry]) -> list[str]:
    return [f"# {line.heading}" if line.row is None else line.exercise_id for line in lines]


def test_by_topic_from_easy_to_hard(catalog: Catalog) -> None:
    lines = entries(catalog, {}, View())
    assert shown(lines) == ["# alpha", "alpha/middle", "# beta", "beta/broken", "beta/easy", "beta/hard"]


def test_by_assignment_in_the_order_of_the_sheet(catalog: Catalog) -> None:
    lines = entries(catalog, {}, View("assignment"))
    assert shown(lines) == ["# Sheet week-1", "beta/hard", "alpha/middle", "# Sheet week-2", "beta/easy"]


def test_a_broken_assignment_says_so(tmp_path: Path) -> None:
    pack = small_pack(tmp_path / "pack")
    file(pack, "assignments/week-2.yaml", "format_version: 1\nid: week-2\ntitle: x\nexercises: 3\n")
    catalog = Catalog(str(pack))
    assert catalog.assignment("week-2")["broken"]
    assert shown(entries(catalog, {}, View("assignment")))[0] == "# Sheet week-1"


def test_status_and_progress(catalog: Catalog) -> None:
    found = {line.exercise_id: (line.status, line.solved) for line in entries(catalog, SHARES, View()) if line.row}
    assert found == {
        "alpha/middle": ("partly", 1),
        "beta/hard": ("done", 2),
        "beta/easy": ("open", 0),
        "beta/broken": ("broken", 0),
    }


@pytest.mark.parametrize(
    ("view", "want"),
    [
        (View(only="done"), ["# beta", "beta/hard"]),
        (View(only="partly"), ["# alpha", "alpha/middle"]),
        (View(only="open"), ["# beta", "beta/easy"]),
        (View(query="easy"), ["# beta", "beta/easy"]),
        (View(query="BEAMS"), ["# beta", "beta/easy"]),
        (View(query="deep search"), ["# beta", "beta/hard"]),
        (View(query="deep easy"), []),
        (View(query="beta/"), ["# beta", "beta/broken", "beta/easy", "beta/hard"]),
        (View(query="  "), ["# alpha", "alpha/middle", "# beta", "beta/broken", "beta/easy", "beta/hard"]),
        (View(only="open", query="hard"), []),
        (View("assignment", "done", "hard"), ["# Sheet week-1", "beta/hard"]),
    ],
)
def test_filters_and_search(catalog: Catalog, view: View, want: list[str]) -> None:
    assert shown(entries(catalog, SHARES, view)) == want


def test_search_looks_at_questions_tags_and_names(catalog: Catalog) -> None:
    row = catalog.row("beta/hard")
    assert all(
        matches(row, query.lower().split(), catalog.texts)
        for query in ("", "how large", "search", "The hard", "beta", "words.")
    )
    assert not matches(row, ["how", "xyzzy"], catalog.texts)
    assert matches(catalog.row("beta/broken"), ["broken"], catalog.texts)


def test_counts_take_an_exercise_once(catalog: Catalog) -> None:
    lines = entries(catalog, SHARES, View())
    assert counts(lines) == {"done": 1, "partly": 1, "open": 1, "broken": 1}
    assert counts([*lines, *lines]) == counts(lines)
    assert counts([]) == {"done": 0, "partly": 0, "open": 0, "broken": 0}


def test_going_round() -> None:
    view = View(query="x")
    assert view.next_grouping() == View("assignment", query="x")
    assert view.next_grouping().next_grouping() == view
    seen = [view]
    for _ in range(4):
        seen.append(seen[-1].next_filter())
    assert [one.only for one in seen] == ["all", "open", "partly", "done", "all"]


# -- names


def test_a_name_that_is_none(catalog: Catalog) -> None:
    with pytest.raises(UnknownExercise, match=r"there is no exercise 'beta/eazy'; did you mean beta/easy\?"):
        catalog.exercise("beta/eazy")
    with pytest.raises(UnknownExercise, match=r"there is no assignment 'week1'; did you mean week-1\?"):
        catalog.assignment("week1")
    assert catalog.exercise("beta/easy").title == "The easy one"
    assert catalog.assignment("week-1")["title"] == "Sheet week-1"
    assert catalog.topics() == ["alpha", "beta"]


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("beta/eazy", ["beta/easy", "beta/hard"], "; did you mean beta/easy?"),
        ("gamma/hard", ["beta/easy", "alpha/hard"], "; did you mean alpha/hard?"),
        ("hard", ["beta/easy", "alpha/hard"], "; did you mean alpha/hard?"),
        ("xyzzy", ["a", "b"], "; there are a, b"),
        ("", ["a", "b"], "; there are a, b"),
        ("xyzzy", [], "; `workbench list` shows what there is"),
        ("xyzzy", list("abcdefg"), "; `workbench list` shows what there is"),
    ],
)
def test_what_was_perhaps_meant(name: str, known: list[str], said: str) -> None:
    assert near(name, known) == said
    assert near(name, dict.fromkeys(known)) == said


def test_a_name_in_a_message_is_short_and_harmless() -> None:
    assert shortened("beta/easy") == "beta/easy"
    assert shortened("x" * 100) == "x" * 57 + "..."
    assert shortened("a\x1b[2J\nb") == "a?[2J?b"

"""Starting, moving, opening: against a hello-world app on the same machine in the same minutes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmarks.conftest import Report
from tests.journeys.terminal import KEYS, Terminal
from workbench import paths
from workbench.catalog import Catalog

HELLO = (sys.executable, str(Path(__file__).parent / "hello.py"))
ROUNDS = 9


def seconds_until(
    command: tuple[str, ...], condition: Callable[[str], bool], columns: int = 120, rows: int = 40
) -> float:
    """From the start of a program until its screen shows something."""
    began = time.perf_counter()
    with Terminal(*command, columns=columns, rows=rows) as terminal:
        while not condition(terminal.text):
            assert terminal.read(5.0), terminal.text
        return time.perf_counter() - began


def side_by_side(*contestants: Callable[[], float], rounds: int = ROUNDS) -> list[float]:
    """Medians of interleaved rounds, after one that warms up."""
    times: list[list[float]] = [[] for _ in contestants]
    for i in range(rounds + 1):
        for kept, contestant in zip(times, contestants, strict=True):
            value = contestant()
            if i:
                kept.append(value)
    return [statistics.median(kept) for kept in times]


def test_first_frames(report: Report) -> None:
    hello, frame, useful = side_by_side(
        lambda: seconds_until(HELLO, lambda text: "hello" in text),
        lambda: seconds_until((), lambda text: bool(text.strip())),
        lambda: seconds_until((), lambda text: "0 of 5 done" in text and "0/4" in text),
    )
    report.row("hello world, first frame", f"{hello * 1000:.0f} ms", "", "the floor")
    report.row("first frame", f"{frame / hello:.2f} x floor", "1.30", f"{frame * 1000:.0f} ms")
    report.row("first useful screen", f"{useful / hello:.2f} x floor", "1.60", f"{useful * 1000:.0f} ms")
    assert frame <= 1.3 * hello
    assert useful <= 1.6 * hello


def answer_time(terminal: Terminal, *keys: str) -> float:
    """The median time from a key to the last byte of what it changes."""
    times = []
    for key in keys:
        terminal.settle()
        began = time.perf_counter()
        terminal.type(KEYS.get(key, key))
        last = began
        while terminal.read(0.1):
            last = time.perf_counter()
        times.append(last - began)
    return statistics.median(times)


def resident_megabytes(pid: int) -> float:
    """Memory of one process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def test_keys_and_memory(report: Report) -> None:
    with Terminal(columns=120, rows=40) as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.wait_for(lambda text: text.rstrip()[-6:].strip().startswith(("cpu", "cuda")))
        moving = answer_time(terminal, *["down", "up"] * 4)
        report.row("down", f"{moving * 1000:.0f} ms", "50 ms")
        opening = []
        for _ in range(3):
            opening.append(answer_time(terminal, "enter"))
            terminal.press("escape", "escape")
            terminal.wait_for("done")
        report.row("open an exercise", f"{statistics.median(opening) * 1000:.0f} ms", "100 ms")
        terminal.press("enter")
        terminal.wait_for("What are the scores")
        terminal.press("f5")
        terminal.wait_for("done in")
        memory = resident_megabytes(terminal.process.pid)
        report.row("memory of the screen process", f"{memory:.0f} MB", "60 MB", "after an exercise and a run")
    assert moving <= 0.05
    assert statistics.median(opening) <= 0.1
    assert memory <= 60


RUN_LONG = """
import sys
from workbench.session import Session
run = Session.run
Session.run = lambda self, on_event, overrides=None, **job: run(self, on_event, {"steps": 5000}, **job)
from workbench.cli import main
sys.exit(main([]))
"""


def test_keys_while_a_plot_is_drawn(report: Report) -> None:
    with Terminal(sys.executable, "-c", RUN_LONG, columns=120, rows=40) as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.press("/")
        terminal.type("converge")
        terminal.press("enter", "enter")
        terminal.wait_for("def train")
        idle = [first_byte(terminal, key) for key in ("f1", "escape") * 4]
        terminal.press("f5")
        terminal.wait_for("%")
        busy = [first_byte(terminal, key) for key in ("f1", "escape") * 4]
    ratio = statistics.median(busy) / statistics.median(idle)
    report.row("a key during a live plot", f"{ratio:.2f} x idle", "2.00", f"{statistics.median(busy) * 1000:.0f} ms")
    assert ratio <= 2.0


def first_byte(terminal: Terminal, key: str) -> float:
    """The time from a key to the screen it leads to."""
    opening = key == "f1"
    before = time.perf_counter()
    terminal.type(KEYS[key])
    while ("kept in" in terminal.text) is not opening:
        terminal.read(0.05)
    return time.perf_counter() - before


EXERCISE = """format_version: 1
id: topic-{topic}/exercise-{number}
title: Exercise {number}
engine: attention.argmax
statement: What is the answer?
parts:
  - {{id: output, kind: tensor, ask: What?, expect: output, comparison: {{kind: exact}}}}
"""
WITH_PACK = """
import sys
from workbench import paths
paths.exercises = lambda: sys.argv[1]
from workbench.cli import main
sys.exit(main([]))
"""


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Packs of 100 and of 10 000 exercises."""
    made = {}
    for count in (100, 10_000):
        made[count] = tmp_path_factory.mktemp(f"pack{count}")
        for number in range(count):
            folder = made[count] / f"topic-{number % 50}"
            folder.mkdir(exist_ok=True)
            text = EXERCISE.format(topic=number % 50, number=number)
            (folder / f"exercise-{number}.yaml").write_text(text)
    return made


def test_ten_thousand_exercises(report: Report, packs: dict[int, Path]) -> None:
    for folder in packs.values():
        Catalog(str(folder))  # compiled before: what is measured is a start, which finds the list made

    def start(count: int) -> Callable[[], float]:
        command = (sys.executable, "-c", WITH_PACK, str(packs[count]))
        return lambda: seconds_until(command, lambda text: f"0 of {count} done" in text)

    few, many = side_by_side(start(100), start(10_000), rounds=5)
    report.row("first useful screen, 10 000 exercises", f"{many / few:.2f} x 100", "1.50", f"{many * 1000:.0f} ms")
    assert many <= 1.5 * few


def test_list(report: Report) -> None:
    """`workbench list` as it is installed, against Python importing rich."""
    program = Path(sys.executable).parent / "workbench"
    command = [str(program), "list"] if program.exists() else [sys.executable, "-m", "workbench", "list"]

    def timed(*arguments: str) -> Callable[[], float]:
        def run() -> float:
            began = time.perf_counter()
            subprocess.run(arguments, check=True, capture_output=True)
            return time.perf_counter() - began

        return run

    rich, listing = side_by_side(timed(sys.executable, "-c", "import rich"), timed(*command), rounds=25)
    report.row("workbench list", f"{listing / rich:.2f} x import rich", "1.50", f"{listing * 1000:.0f} ms")
    assert Path(paths.cache()).exists()
    assert listing <= 1.5 * rich

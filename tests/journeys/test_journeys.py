"""Whole sessions in a real pseudo-terminal, as a student has them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.terminal import Terminal, below, gone, wait_until
from workbench import paths
from workbench.progress.store import Store

pytestmark = pytest.mark.journey


def device_is_told(text: str) -> bool:
    """Whether the device is told at the end of the key bar, which says that the worker is warm."""
    return re.search(r"(cpu|cuda:\d+)$", text.rstrip()) is not None


def drafts() -> dict[str, str]:
    store = Store(paths.progress_file())
    found = store.drafts("attention/argmax", 0)
    store.close()
    return found


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40)])
def test_from_the_list_to_a_solved_part_and_back_after_a_restart(columns: int, rows: int) -> None:
    with Terminal(columns=columns, rows=rows) as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.press("enter")
        terminal.wait_for("What are the scores")
        terminal.type("3 11 5 3\r")
        terminal.wait_for("Entry 4 should be 2, not 3")
        terminal.press("backspace")
        terminal.type("2\r")
        terminal.wait_for("correct")
        terminal.press("f5")
        terminal.wait_for("done in")
        terminal.wait_for("Weights over the keys")
        terminal.wait_for("softmax")
        terminal.press("escape")
        terminal.wait_for("1 scores")
        terminal.press("tab")
        terminal.wait_for("What weights does the layer give")
        terminal.type("0 1 0")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0
    with Terminal(columns=columns, rows=rows) as terminal:
        terminal.wait_for("1/4")
        terminal.press("enter")
        terminal.wait_for("What weights does the layer give")
        terminal.wait_for(lambda text: re.search(r"^ *.* 0 1 0 *$", text, re.MULTILINE) is not None)
        terminal.press("f5")
        terminal.wait_for("kept from")
        terminal.wait_for("Weights over the keys")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0


def test_search_solve_run_and_cancel() -> None:
    with Terminal() as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.press("/")
        terminal.type("converge")
        terminal.wait_for("search: converge")
        terminal.press("enter", "enter")
        terminal.wait_for("def train")
        terminal.press("ctrl+s")
        terminal.wait_for("sum of all gradients")
        terminal.press("f5")
        terminal.wait_for(lambda text: "done in" in text or "cancel" in text)
        terminal.press("c", "escape")
        terminal.wait_for("def train")
        terminal.press("ctrl+q")
        assert terminal.wait_for_end() == 0


# A program between the terminal and this one, such as make: it leads the session, and keeps the signal to itself.
BETWEEN = ("sh", "-c", f"trap '' HUP; '{sys.executable}' -m workbench; exit $?")


@pytest.mark.parametrize("how", ["hangup", "hangup below another program", "SIGHUP", "SIGTERM"])
def test_a_lost_connection_keeps_what_was_typed_and_leaves_no_process(how: str) -> None:
    with Terminal(*(BETWEEN if how.endswith("program") else ())) as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.press("enter")
        terminal.wait_for("What are the scores")
        terminal.wait_for(device_is_told)  # the worker is there
        workers = below(terminal.process.pid)
        assert workers
        terminal.type("4 5 6")
        terminal.wait_for("4 5 6")
        if how.startswith("hangup"):
            terminal.hang_up()
        else:
            os.kill(terminal.process.pid, getattr(signal, how))
        terminal.process.wait(timeout=30)
        wait_until(lambda: gone(workers), "workers are left behind")
    assert drafts() == {"scores": "4 5 6"}


def test_killing_the_screen_leaves_no_process_and_loses_no_attempt() -> None:
    with Terminal() as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.press("enter")
        terminal.wait_for("What are the scores")
        terminal.type("3 11 5 2\r")
        terminal.wait_for("correct")
        workers = below(terminal.process.pid)
        os.kill(terminal.process.pid, signal.SIGKILL)
        wait_until(lambda: gone(workers), "workers are left behind")
    store = Store(paths.progress_file())
    assert [attempt.status for attempt in store.attempts()] == ["correct"]
    store.close()


def test_a_killed_worker_is_told_and_replaced() -> None:
    with Terminal() as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.wait_for(device_is_told)
        nursery = below(terminal.process.pid)[0]
        workers = below(nursery)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        terminal.press("enter")
        terminal.wait_for("What are the scores")
        terminal.type("3 11 5 2\r")
        terminal.wait_for("correct")


def test_the_terminal_is_left_as_it_was() -> None:
    with Terminal() as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.press("q")
        assert terminal.wait_for_end() == 0
    for switched_on, switched_off in (
        (b"\x1b[?1049h", b"\x1b[?1049l"),
        (b"\x1b[?25l", b"\x1b[?25h"),
        (b"\x1b[?1000h", b"\x1b[?1000l"),
    ):
        assert terminal.raw.rfind(switched_off) > terminal.raw.rfind(switched_on)


def test_resizing_lays_the_screen_out_anew() -> None:
    with Terminal(columns=80, rows=24) as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.press("enter")
        terminal.wait_for("What are the scores")
        for columns, rows in ((120, 40), (60, 15), (200, 50), (80, 24)):
            terminal.resize(columns, rows)
            terminal.wait_for(lambda text, width=columns: len(text.splitlines()[0]) > width - 6)  # type: ignore[misc]
        terminal.settle()
        assert "What are the scores" in terminal.text
        assert "query q" in terminal.text


# -- what the terminal can show


def test_no_color_sends_no_colour() -> None:
    with Terminal(env={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.press("enter")
        terminal.wait_for("What are the scores")
        terminal.settle()
        codes = {code for match in re.findall(rb"\x1b\[([\d;]*)m", terminal.raw) for code in match.split(b";")}
        assert not {code for code in codes if code and int(code) >= 30 and int(code) not in (39, 49)}


@pytest.mark.parametrize("env", [{"LC_ALL": "C"}, {"LC_ALL": "en_US.ISO-8859-1", "PYTHONIOENCODING": "latin-1"}])
def test_a_locale_without_unicode_gets_ascii(env: dict[str, str | None]) -> None:
    with Terminal(env=env) as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.press("enter")
        terminal.wait_for("What are the scores")
        terminal.press("f5")
        terminal.wait_for(lambda text: "done in" in text)
        terminal.settle()
        assert bytes(terminal.raw).isascii()


def test_a_dumb_terminal_gets_the_plain_list() -> None:
    with Terminal(env={"TERM": "dumb"}) as terminal:
        assert terminal.wait_for_end() == 2
    assert b"TERM=dumb" in terminal.raw
    assert b"attention/argmax" in terminal.raw
    assert b"\x1b" not in terminal.raw


def test_without_a_terminal_it_says_so() -> None:
    done = subprocess.run([sys.executable, "-m", "workbench"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the screen needs a terminal" in done.stderr
    assert "Traceback" not in done.stderr


# -- bytes, which repeat exactly


@pytest.mark.parametrize(("columns", "rows", "start"), [(80, 24, 12_000), (120, 40, 25_000)])
def test_what_is_sent_stays_within_the_budget_of_a_slow_link(columns: int, rows: int, start: int) -> None:
    with Terminal(columns=columns, rows=rows) as warm:  # the catalogue is compiled then
        warm.wait_for("0 of 5 done")
    with Terminal(columns=columns, rows=rows) as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.wait_for(device_is_told)
        terminal.settle()
        assert len(terminal.raw) <= start
        for _ in range(3):
            before = len(terminal.raw)
            terminal.press("down")
            terminal.settle()
            assert len(terminal.raw) - before <= 1000
        before = len(terminal.raw)
        terminal.press("enter")
        terminal.wait_for("patch")
        terminal.settle()
        assert len(terminal.raw) - before <= 8000


def test_nothing_is_sent_while_nothing_happens() -> None:
    with Terminal() as terminal:
        terminal.wait_for("0 of 5 done")
        terminal.press("enter")
        terminal.wait_for("What are the scores")
        terminal.wait_for(device_is_told)  # nothing is under way any more
        terminal.settle()
        assert terminal.read(3.0) == b""


def test_differences_and_whole_frames_make_the_same_picture() -> None:
    pictures = []
    for switch in ("0", "1"):
        shutil.rmtree(paths.data(), ignore_errors=True)
        with Terminal(columns=100, rows=30, env={"WORKBENCH_DIFF": switch}) as terminal:
            terminal.wait_for("0 of 5 done")
            for steps in (("down",), ("enter",), ("tab", "tab"), ("f6",), ("f6",), ("f1",), ("escape",)):
                terminal.press(*steps)
                terminal.settle()
            buffer = terminal.screen.buffer
            pictures.append(
                [
                    [
                        (cell.data, cell.fg, cell.bg, cell.bold, cell.reverse)
                        for cell in (buffer[y][x] for x in range(100))
                    ]
                    for y in range(30)
                ]
            )
    assert pictures[0] == pictures[1]


# -- inside tmux


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_inside_tmux(tmp_path: Path) -> None:
    socket = tmp_path / "tmux"

    def tmux(*arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-S", str(socket), "-f", "/dev/null", *arguments], capture_output=True, text=True, check=True
        ).stdout

    tmux("new-session", "-d", "-s", "w", "-x", "80", "-y", "24", f"{sys.executable} -m workbench")
    try:

        def shows(text: str) -> bool:
            return text in tmux("capture-pane", "-p", "-t", "w")

        wait_until(lambda: shows("0 of 5 done"), "no list")
        tmux("send-keys", "-t", "w", "Enter")
        wait_until(lambda: shows("What are the scores"), "no exercise")
        tmux("send-keys", "-t", "w", "-l", "3 11 5 2")
        tmux("send-keys", "-t", "w", "Enter")
        wait_until(lambda: shows("correct"), "no verdict")
        tmux("send-keys", "-t", "w", "F5")
        wait_until(lambda: shows("Weights over the keys"), "no figure")
    finally:
        subprocess.run(["tmux", "-S", str(socket), "kill-server"], capture_output=True, check=False)

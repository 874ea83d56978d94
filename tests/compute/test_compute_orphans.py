"""Nothing outlives the program: not the workers, not the nursery, not what a student's code has started."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUARD = 60.0

# Starts a worker with a job that never ends and a student's program that never ends and has a child in a session
# of its own; then says who they are.
PROGRAM = """
import os, sys, threading, time
from tests.compute import odd_worker
from workbench.compute import crew
from workbench.compute.local import LocalCompute
from workbench.compute.messages import Job, Started
from workbench.sandbox import Program, run

crew.WORKER = odd_worker.WORKER
compute = LocalCompute()
seed = odd_worker.seed_of(odd_worker.never_report)
handle = compute.submit(Job("one", engine="attention.argmax", seed=seed, device="cpu"))
assert isinstance(handle.next_event(60), Started)
code = '''
import os, time
def answer(path):
    if not os.fork():
        os.setsid()
        os.fork()
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\\\\n")
    while True:
        time.sleep(10)
'''
path = sys.argv[1]
program = Program(code, "answer", "def probe(answer, path): answer(path)", {"path": path}, seconds=600)
threading.Thread(target=run, args=(program, compute), daemon=True).start()
while not os.path.exists(path) or len(open(path).read().split()) < 3:
    time.sleep(0.005)
workers = [worker.child.pid.result() for worker in compute._crew.workers]
print(compute._crew.nursery.pid, *workers, *open(path).read().split(), flush=True)
sys.stdin.readline()
ENDING
"""


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in ("Z", "X")


def wait_until_gone(pids: list[int]) -> None:
    end = time.monotonic() + GUARD
    while left := [pid for pid in pids if not gone(pid)]:
        assert time.monotonic() < end, f"still there: {left}"
        time.sleep(0.005)


class Running:
    """The program above, waiting for its end."""

    def __init__(self, ending: str, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.replace("ENDING", ending), str(folder / "pids")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        self.pids = [int(word) for word in self.process.stdout.readline().split()]
        assert len(self.pids) == 5, self.process.stderr.read() if self.process.stderr else ""
        assert not any(map(gone, self.pids))

    def end(self) -> str:
        """Let it go on to its end; what it had to say."""
        _, errors = self.process.communicate("\n", timeout=GUARD)
        return errors


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_program_that_is_killed_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    running = Running("", tmp_path)
    running.process.send_signal(number)
    running.process.communicate(timeout=GUARD)
    wait_until_gone(running.pids)


@pytest.mark.parametrize(
    "ending", ["compute.close()", "", "raise ZeroDivisionError", "os._exit(0)", "compute.close(); compute.close()"]
)
def test_a_program_that_ends_leaves_nothing_and_does_not_hang(ending: str, tmp_path: Path) -> None:
    running = Running(ending, tmp_path)
    errors = running.end()
    assert running.process.returncode == ("Zero" in ending)
    assert ("Traceback" in errors) == ("Zero" in ending), errors
    wait_until_gone(running.pids)


def test_the_death_of_the_nursery_ends_what_it_forked(tmp_path: Path) -> None:
    running = Running("compute.close()", tmp_path)
    nursery, *rest = running.pids
    student, *below = rest[1:]
    running.process.send_signal(0)
    subprocess.run(["kill", "-KILL", str(nursery)], check=True)
    wait_until_gone([nursery, rest[0]])
    running.end()
    wait_until_gone([student] if student not in below else [])
    for pid in below:  # in a session of their own, and without the nursery nobody can find them: end them here
        subprocess.run(["kill", "-KILL", str(pid)], check=False, capture_output=True)

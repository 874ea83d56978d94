"""What comes of a student's program: its result, or a reason; and nothing of it is left behind."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.arrays import Array
from workbench import paths
from workbench.compute.local import LocalCompute
from workbench.sandbox import LEVEL, LEVEL_NAME, Outcome, Program, run

# Whatever `answer` returns is what comes out.
OPEN = "def probe(answer, **inputs):\n    return answer(**inputs)\n"
GUARD = 60.0  # seconds, against a test that would never end


@pytest.fixture(autouse=True)
def scratch() -> Iterator[Path]:
    """Where programs have their folders, which has to be empty again in the end."""
    folder = Path(paths.cache(), "scratch")
    yield folder
    assert not folder.exists() or list(folder.iterdir()) == []


def run_code(compute: LocalCompute, code: str, *, seconds: float = GUARD, **more: Any) -> Outcome:
    """Run the body of a function called `answer`."""
    body = "".join(f"    {line}\n" for line in code.splitlines())
    values: dict[str, Any] = {"inputs": {}, "harness": OPEN, "megabytes": 2048} | more
    names = ", ".join(values["inputs"])
    return run(Program(code=f"def answer({names}):\n{body}", entry="answer", seconds=seconds, **values), compute)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that waits to be collected has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in ("Z", "X")


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + GUARD
    while not gone(pid):
        assert time.monotonic() < end, f"process {pid} is still there"
        time.sleep(0.01)


# -- good programs


def test_a_good_program_gives_what_it_computed(compute: LocalCompute) -> None:
    outcome = run_code(
        compute,
        "print('half way')\n"
        "return {'double': x * 2, 'count': n + 1, 'name': 'é', 'yes': True, 'mean': x.mean().item()}",
        inputs={"x": Array.of([[1.0, 2.0], [3.0, 4.0]]), "n": 3},
    )
    assert outcome.status == "ok", outcome.message
    assert outcome.outputs == {
        "double": Array.of([[2.0, 4.0], [6.0, 8.0]]),
        "count": 4,
        "name": "é",
        "yes": True,
        "mean": 2.5,
    }
    assert outcome.printed == "half way\n"
    assert 0 < outcome.seconds < GUARD


def test_the_level_of_isolation_is_told(compute: LocalCompute) -> None:
    assert run_code(compute, "return {}").level == LEVEL_NAME
    assert run_code(compute, "1 / 0").level == LEVEL_NAME
    assert LEVEL_NAME.startswith(str(LEVEL))
    assert "not protected" in LEVEL_NAME, "what it does not do stands in its name"


def test_inputs_are_copies(compute: LocalCompute) -> None:
    inputs = {"x": Array.of([1.0, 2.0])}
    for _ in range(2):
        outcome = run_code(compute, "x.add_(1)\nreturn {'x': x}", inputs=inputs)
        assert outcome.outputs == {"x": Array.of([2.0, 3.0])}
    assert inputs == {"x": Array.of([1.0, 2.0])}


def test_every_run_is_a_process_of_its_own(compute: LocalCompute) -> None:
    code = (
        "import os, builtins\nseen = hasattr(builtins, 'mark')\n"
        "builtins.mark = 1\nreturn {'pid': os.getpid(), 'seen': seen}"
    )
    first, second = run_code(compute, code), run_code(compute, code)
    assert first.outputs["pid"] not in (os.getpid(), second.outputs["pid"])
    assert not second.outputs["seen"]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"])
def test_tensors_of_every_kind_go_in_and_come_out(dtype: str, compute: LocalCompute) -> None:
    code = (
        f"import torch\nreturn {{'x': x, 'right': x.dtype == torch.{dtype}, 'new': torch.ones(2, dtype=torch.{dtype})}}"
    )
    given = Array.of([[0.0, 1.0, 1.0]])
    first = run_code(compute, f"import torch\nreturn {{'x': x.to(torch.{dtype})}}", inputs={"x": given}).outputs["x"]
    outcome = run_code(compute, code, inputs={"x": first})
    assert outcome.status == "ok", outcome.message
    assert outcome.outputs["right"] is True
    assert outcome.outputs["x"] == first
    assert outcome.outputs["x"].dtype == outcome.outputs["new"].dtype == dtype


def test_odd_tensors_come_out_as_they_are(compute: LocalCompute) -> None:
    code = """
import torch
grid = torch.arange(6.0).reshape(2, 3)
return {
    'nan': torch.tensor([float('nan'), float('inf'), -float('inf'), -0.0]),
    'empty': torch.zeros(0, 3), 'scalar': torch.tensor(2.5), 'turned': grid.T, 'every': grid[:, ::2],
    'grad': torch.ones(2, requires_grad=True), 'spread': torch.ones(1).expand(1000), 'flipped': grid.conj(),
    'number': float('nan'),
}"""
    outcome = run_code(compute, code.strip())
    assert outcome.status == "ok", outcome.message
    out = outcome.outputs
    assert math.isnan(out["nan"].flat()[0])
    assert out["nan"].flat()[1:] == [math.inf, -math.inf, 0.0]
    assert out["empty"].shape == (0, 3)
    assert out["scalar"].tolist() == 2.5
    assert out["turned"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert out["every"].tolist() == [[0.0, 2.0], [3.0, 5.0]]
    assert out["grad"].tolist() == [1.0, 1.0]
    assert out["spread"].shape == (1000,)
    assert math.isnan(out["number"])


@pytest.mark.parametrize(
    "value",
    ["torch.ones(2, dtype=torch.complex64)", "torch.ones(2, 2).to_sparse()", "torch.ones(2, device='meta')"],
)
def test_tensors_that_are_no_arrays_are_refused_with_a_reason(value: str, compute: LocalCompute) -> None:
    outcome = run_code(compute, f"import torch\nreturn {{'x': {value}}}")
    assert outcome.status == "error"
    assert outcome.message
    assert "x" not in outcome.outputs


def test_what_is_no_tensor_number_or_text_is_left_out(compute: LocalCompute) -> None:
    code = "return {'list': [1, 2], 'none': None, 'set': {1}, 'code': answer, 'huge': 10**30, 'small': -7, 3: 4}"
    outcome = run_code(compute, code)
    assert outcome.status == "ok", outcome.message
    assert outcome.outputs == {"small": -7, "3": 4}


def test_a_result_that_is_no_mapping_is_an_error(compute: LocalCompute) -> None:
    outcome = run_code(compute, "return 3")
    assert outcome.status == "error"
    assert "dict" in outcome.message


# -- programs that fail


def test_an_exception_is_told_with_the_line_of_the_student(compute: LocalCompute) -> None:
    outcome = run_code(compute, "x = 1\nreturn helper(x)\n")
    assert (outcome.status, outcome.line) == ("error", 3)
    assert outcome.message == "line 3: NameError: name 'helper' is not defined"


def test_an_exception_below_a_library_is_told_at_the_line_that_called_it(compute: LocalCompute) -> None:
    outcome = run_code(compute, "import torch\na = torch.ones(2, 3)\nreturn a @ a")
    assert outcome.line == 4
    assert outcome.message.startswith("line 4: RuntimeError: mat1 and mat2")


def test_an_exception_in_the_harness_has_no_line_of_the_student(compute: LocalCompute) -> None:
    outcome = run_code(compute, "return {}", harness="def probe(answer):\n    return answer()['x']\n")
    assert (outcome.status, outcome.line) == ("error", 0)
    assert outcome.message == "KeyError: 'x'"


def test_a_syntax_error_is_told_with_its_line(compute: LocalCompute) -> None:
    program = Program("x = 1\ndef answer(:\n    pass\n", "answer", OPEN, {}, seconds=GUARD)
    outcome = run(program, compute)
    assert (outcome.status, outcome.line) == ("error", 2)
    assert "SyntaxError" in outcome.message


@pytest.mark.parametrize("code", ["", "answer = 3", "def other(): pass"])
def test_a_missing_function_is_told(code: str, compute: LocalCompute) -> None:
    outcome = run(Program(code, "answer", OPEN, {}, seconds=GUARD), compute)
    assert outcome.status == "error"
    assert outcome.message == "the program defines no function answer"


@pytest.mark.parametrize("code", ["\0", "def answer(): return " + "(" * 5000 + ")" * 5000, "x = '\udc80'"])
def test_text_that_is_no_program_is_told(code: str, compute: LocalCompute) -> None:
    outcome = run(Program(code, "answer", OPEN, {}, seconds=GUARD), compute)
    assert outcome.status in ("error", "out_of_memory")
    assert outcome.message


def test_wrong_arguments_are_told(compute: LocalCompute) -> None:
    outcome = run(Program("def answer(a, b): return {}", "answer", OPEN, {"a": 1}, seconds=GUARD), compute)
    assert outcome.status == "error"
    assert "missing 1 required positional argument: 'b'" in outcome.message


@pytest.mark.parametrize(
    "call", ["exit()", "raise SystemExit(0)", "raise KeyboardInterrupt", "import sys; sys.exit(3)"]
)
def test_leaving_is_an_error_and_no_answer(call: str, compute: LocalCompute) -> None:
    outcome = run_code(compute, call)
    assert outcome.status == "error"
    assert outcome.line == 2
    assert "SystemExit" in outcome.message or "KeyboardInterrupt" in outcome.message


def test_leaving_without_a_word_is_told(compute: LocalCompute) -> None:
    outcome = run_code(compute, "import os\nprint('last words', flush=True)\nos._exit(0)")
    assert outcome.status == "crashed"
    assert "before it gave an answer" in outcome.message
    assert outcome.printed == "last words\n"


@pytest.mark.parametrize(
    ("signal", "name"), [("SIGKILL", "SIGKILL"), ("SIGSEGV", "SIGSEGV"), ("SIGTERM", "SIGTERM"), ("SIGRTMIN + 5", "39")]
)
def test_a_program_that_kills_itself_is_told_by_what(signal: str, name: str, compute: LocalCompute) -> None:
    outcome = run_code(compute, f"import os, signal\nos.kill(os.getpid(), signal.{signal})")
    assert outcome.status == "crashed"
    assert name in outcome.message


def test_a_fault_in_machine_code_is_a_crash(compute: LocalCompute) -> None:
    outcome = run_code(compute, "import ctypes\nctypes.string_at(0)")
    assert outcome.status == "crashed"
    assert "SIGSEGV" in outcome.message


def test_an_exception_whose_text_fails_does_not_hide_the_failure(compute: LocalCompute) -> None:
    code = "class Odd(Exception):\n    def __str__(self):\n        raise ValueError\nraise Odd"
    outcome = run_code(compute, code)
    assert outcome.status in ("error", "crashed")
    assert outcome.message


# -- limits


def test_a_program_that_does_not_end_is_stopped(compute: LocalCompute) -> None:
    for seconds in (0.2, 2.0, GUARD):  # longer only where the machine is so busy that it has not begun
        outcome = run_code(compute, "print('begun')\nwhile True: pass", seconds=seconds)
        assert outcome.status == "timeout"
        assert f"{seconds:g} s" in outcome.message
        assert outcome.seconds >= seconds
        if outcome.printed:
            break
    assert outcome.printed == "begun\n", "what it said until then is shown"


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.sleep(1000)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
        "import signal\nfor n in (2, 15, 20): signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "print('y' * 10_000_000)\nwhile True: print('y' * 1000)",
    ],
    ids=["asleep", "stopped", "deaf", "catching", "talking"],
)
def test_nothing_keeps_a_program_alive_past_its_time(code: str, compute: LocalCompute) -> None:
    assert run_code(compute, code, seconds=0.3).status == "timeout"


@pytest.mark.parametrize(
    "code",
    [
        "import torch\nreturn {'x': torch.ones(1 << 40)}",
        "x = []\nwhile True: x.append(bytearray(1 << 22))",
        "import torch\nx = []\nwhile True: x.append(torch.ones(1 << 20))",
        "import mmap\nx = []\nwhile True:\n    x.append(mmap.mmap(-1, 1 << 24))\n    x[-1].write(b'1' * (1 << 24))",
    ],
    ids=["at once", "bytes", "tensors", "shared"],
)
def test_a_program_that_takes_too_much_memory_is_stopped(code: str, compute: LocalCompute) -> None:
    outcome = run_code(compute, code, megabytes=600)
    assert outcome.status == "out_of_memory", outcome.message
    assert "memory" in outcome.message or "600 MB" in outcome.message


def test_of_much_output_the_end_is_kept(compute: LocalCompute) -> None:
    outcome = run_code(compute, "for i in range(200_000): print(f'line {i}')\nreturn {'x': 1}")
    assert outcome.status == "ok"
    assert outcome.outputs == {"x": 1}
    assert len(outcome.printed) <= 64 << 10
    assert outcome.printed.endswith("line 199999\n")


def test_a_huge_file_is_refused(compute: LocalCompute) -> None:
    outcome = run_code(compute, "with open('big', 'wb') as file:\n    while True: file.write(b'x' * (1 << 20))")
    assert outcome.status == "error"
    assert "File too large" in outcome.message


def test_a_huge_result_is_no_answer(compute: LocalCompute) -> None:
    outcome = run_code(compute, "import torch\nreturn {'x': torch.zeros(9 << 20, dtype=torch.float64)}")
    assert outcome.status == "crashed"
    assert run_code(compute, "return {'x': 'y' * (2 << 20)}").status == "crashed"
    assert run_code(compute, "return {str(i): 1 for i in range(200_000)}").status == "crashed"


def test_many_open_files_are_refused(compute: LocalCompute) -> None:
    outcome = run_code(compute, "files = [open('/dev/null') for _ in range(10_000)]")
    assert outcome.status == "error"
    assert "Too many open files" in outcome.message


# -- what a program can see and do


def test_the_environment_holds_nothing_of_ours(compute: LocalCompute, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = run_code(
        compute, "import os\nreturn dict(os.environ) | {'cwd': os.getcwd(), 'out': os.popen('env').read()}"
    )
    assert outcome.status == "ok", outcome.message
    found = outcome.outputs
    listed = {line.partition("=")[0] for line in found.pop("out").splitlines()} - {"PWD", "_", "SHLVL", "OLDPWD"}
    cwd = found.pop("cwd")
    assert set(found) == listed == {"PATH", "HOME", "TMPDIR", "LANG", "CUDA_VISIBLE_DEVICES"}
    assert found["HOME"] == found["TMPDIR"] == cwd
    assert found["CUDA_VISIBLE_DEVICES"] == ""


def test_only_the_two_ends_of_its_own_run_are_open(compute: LocalCompute) -> None:
    code = """
import os
found = {}
for number in os.listdir('/proc/self/fd'):
    if os.path.exists(f'/proc/self/fd/{number}'):
        found[number] = os.readlink(f'/proc/self/fd/{number}')
return found""".strip()
    open_files = run_code(compute, code).outputs
    assert open_files.pop("0") == "/dev/null"
    assert open_files.pop("1") == open_files.pop("2")
    kinds = sorted(target.partition(":")[0] for target in open_files.values() if not target.startswith("/proc/"))
    assert kinds == ["socket"], open_files


def test_reading_the_keyboard_ends_at_once(compute: LocalCompute) -> None:
    outcome = run_code(compute, "return {'x': input()}")
    assert outcome.status == "error"
    assert "EOFError" in outcome.message


def test_printing_does_not_depend_on_our_locale(compute: LocalCompute) -> None:
    outcome = run_code(
        compute, "import sys\nprint('é \\U0001f600 \\udc80')\nprint('ü', file=sys.stderr)\nreturn {'x': 1}"
    )
    assert outcome.status == "ok", outcome.message
    assert "é \U0001f600 " in outcome.printed
    assert "ü" in outcome.printed


@pytest.mark.parametrize(
    "harm",
    [
        "sys.stdout.close()",
        "sys.stdout = None",
        "sys.stderr.close(); os.close(1); os.close(2)",
        "sys.stdout = type('Odd', (), {'flush': lambda self: 1 / 0, 'write': lambda self, text: None})()",
        "import gc; gc.collect()",
    ],
)
def test_a_program_that_breaks_its_own_output_still_gives_its_result(harm: str, compute: LocalCompute) -> None:
    outcome = run_code(compute, f"import os, sys\n{harm}\nreturn {{'x': 1}}")
    assert (outcome.status, outcome.outputs) == ("ok", {"x": 1}), outcome.message


SCRIBBLE = """
import os, random
noise = random.Random({seed})
for name in os.listdir('/proc/self/fd'):
    try:
        if int(name) > 2 and os.readlink(f'/proc/self/fd/{{name}}').startswith('socket'):
            os.write(int(name), {what})
    except OSError:
        pass
{end}
"""


@pytest.mark.parametrize(
    "what",
    [
        "noise.randbytes(5000)",
        "b'\\xff' * 5000",
        "b'\\0' * 5000",
        "b'\\x02\\0\\0\\0' + b'\\0' * 8 + b'{}'",
        "b'\\x02\\0\\0\\0' + b'\\0' * 8 + b'[]'",
        "b'\\x0f\\0\\0\\0' + b'\\0' * 8 + b'{\"status\":\"ok\"}'",
        "b'\\x12\\0\\0\\0' + b'\\0' * 8 + b'{\"status\":[1,2,3]}'",
    ],
)
@pytest.mark.parametrize("end", ["return {'x': 1}", "os._exit(0)"])
def test_writing_to_our_descriptors_gains_nothing(what: str, end: str, compute: LocalCompute) -> None:
    outcome = run_code(compute, SCRIBBLE.format(seed=1, what=what, end=end).strip())
    assert outcome.status in ("crashed", "error"), outcome
    assert outcome.outputs == {}


def test_what_a_forged_report_says_is_only_data(compute: LocalCompute) -> None:
    forged = '{"status":"ok","outputs":{"x":{"$array":["float64",[2],0]},"y":[1],"z":1e400}}'
    raw = len(forged).to_bytes(4, "little") + (16).to_bytes(8, "little") + forged.encode() + bytes(16)
    outcome = run_code(compute, SCRIBBLE.format(seed=1, what=repr(raw), end="os._exit(0)").strip())
    assert outcome.outputs == {"x": Array.of([0.0, 0.0]), "z": math.inf}


def test_a_forged_report_cannot_multiply_its_bytes(compute: LocalCompute) -> None:
    marks = ",".join(f'"{i}":{{"$array":["float64",[1000],0]}}' for i in range(100))
    forged = f'{{"status":"ok","outputs":{{{marks}}}}}'
    raw = len(forged).to_bytes(4, "little") + (8000).to_bytes(8, "little") + forged.encode() + bytes(8000)
    outcome = run_code(compute, SCRIBBLE.format(seed=1, what=repr(raw), end="os._exit(0)").strip())
    assert outcome.status == "crashed"


# -- what is left behind

FORKS = """
import os, sys, time
pids = []
for _ in range(5):
    pid = os.fork()
    if not pid:
        if {deep}:
            if os.fork():
                os._exit(0)
        if {own}:
            os.setsid()
        print(os.getpid(), flush=True)
        with open('born', 'a') as file:
            file.write('x')
        os.close(1), os.close(2)
        time.sleep(10_000)
while not os.path.exists('born') or os.path.getsize('born') < 5:
    time.sleep(0.001)
{end}
"""


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("own", [False, True], ids=["same session", "own session"])
@pytest.mark.parametrize("end", ["return", "exit", "kill", "loop"])
def test_processes_that_a_program_starts_end_with_it(own: bool, deep: bool, end: str, compute: LocalCompute) -> None:
    endings = {
        "return": "return {'x': 1}",
        "exit": "os._exit(0)",
        "kill": "os.kill(os.getpid(), 9)",
        "loop": "while True: pass",
    }
    code = FORKS.format(deep=deep, own=own, end=endings[end])
    outcome = run_code(compute, code.strip(), seconds=0.5 if end == "loop" else GUARD)
    assert outcome.status == {"return": "ok", "exit": "crashed", "kill": "crashed", "loop": "timeout"}[end]
    pids = [int(word) for word in outcome.printed.split()]
    assert len(pids) == 5 or end == "loop"
    for pid in pids:
        wait_until_gone(pid)


def test_threads_end_with_the_program(compute: LocalCompute) -> None:
    code = (
        "import os, threading, time\n"
        "for _ in range(5): threading.Thread(target=time.sleep, args=(10_000,)).start()\n"
        "return {'pid': os.getpid()}"
    )
    outcome = run_code(compute, code)
    assert outcome.status == "ok"
    wait_until_gone(outcome.outputs["pid"])


def test_files_end_with_the_program(compute: LocalCompute, scratch: Path) -> None:
    code = """
import os
for i in range(20):
    os.makedirs(f'a/{i}')
    open(f'a/{i}/b', 'w').write('x')
os.chmod('a', 0)
return {'home': os.getcwd()}""".strip()
    outcome = run_code(compute, code)
    assert Path(outcome.outputs["home"]).parent == scratch
    busy = """
import os
i = 0
while True:
    i += 1
    os.makedirs(f'{i}')
    open(f'{i}/x', 'w').close()""".strip()
    assert run_code(compute, busy, seconds=0.3).status == "timeout"


def test_a_run_can_follow_any_other(compute: LocalCompute) -> None:
    for code in ("import os; os.kill(os.getpid(), 9)", "1 / 0", "while True: pass"):
        run_code(compute, code, seconds=0.2 if "while" in code else GUARD)
        assert run_code(compute, "return {'x': 1}").outputs == {"x": 1}

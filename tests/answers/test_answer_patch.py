"""Programs that students mend: run for real in the sandbox, and told what is wrong with what they did."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.figures import Lines, line
from engines.result import Result
from tests.answers.answer_samples import examine, key_of, unreadable
from workbench.answers.patch import MAX_CHARS, Patch, starter
from workbench.answers.verdict import Key, Unreadable, Verdict
from workbench.compute.local import LocalCompute
from workbench.sandbox import LEVEL_NAME, Outcome, Program
from workbench.sandbox import run as run_in_sandbox
from workbench.spec.exercise import Curve, Mistake, Output, PatchPart

HARNESS = """
import torch

def probe(scale, x, factor):
    calls = []
    def tell(n):
        calls.append(n)
    result = scale(x, factor, tell)
    return {"calls": len(calls), "result": result, "curve": x.flatten(), "said": "text"}
"""

REFERENCE = """
def scale(x, factor, tell):
    tell(1)
    return x * factor
"""

PART = PatchPart(
    id="x",
    ask="?",
    entry="scale",
    starter="def scale(x, factor, tell):\n    return x\n",
    harness=HARNESS,
    inputs="inputs",
    outputs=(
        Output(name="calls", expect="one", note="calls", say="It has to be told once."),
        Output(name="result", expect="product", note="result", say="It is not the product."),
    ),
    mistakes=(Mistake(value="total", output="result", say="That is the sum.", note="sum"),),
    draws=Curve(figure="loss", output="curve"),
    reference=REFERENCE,
    seconds=20.0,
    megabytes=2048,
)


class Bench:
    """An engine that multiplies, on data that depend on the seed, and the real sandbox."""

    def __init__(self, compute: LocalCompute | None, outcome: Outcome | None = None) -> None:
        self.compute = compute
        self.outcome = outcome
        self.seeds: list[int] = []

    def run(self, seed: int) -> Result:
        self.seeds.append(seed)
        x = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        return Result(
            {"inputs": {"x": x, "factor": 3.0}, "one": 1, "product": 3.0 * x, "total": 3.0 + x},
            figures=(Lines("loss", "Loss", (line("reference", [1, 2], [1, 2]),)),),
        )

    def sandbox(self, program: Program) -> Outcome:
        if self.outcome is not None:
            return self.outcome
        assert self.compute is not None
        return run_in_sandbox(program, self.compute)

    def fresh_seed(self) -> int:
        return 100 + len(self.seeds)


def key(part: PatchPart = PART) -> Key:
    return key_of(part)


def judge(code: str, compute: LocalCompute | None, outcome: Outcome | None = None, **changes: Any) -> Verdict:
    its = key(dataclasses.replace(PART, **changes))
    kind = Patch()
    return kind.check(kind.read(code, its), its, Bench(compute, outcome))


# -- in the real sandbox


def test_the_reference_is_right_and_says_how_it_was_judged(compute: LocalCompute) -> None:
    verdict = judge(REFERENCE, compute)
    assert (verdict.status, verdict.score, verdict.note) == ("correct", 1, "correct")
    assert verdict.isolation == LEVEL_NAME
    assert verdict.tolerance == "calls and result within 1e-07 of its size plus 1e-09"
    figure = verdict.figure
    assert isinstance(figure, Lines)
    assert [series.label for series in figure.series] == ["reference", "yours"]
    assert figure.series[1].x.flat() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("body", "note", "words"),
    [
        ("return x", "calls", "It has to be told once. (Yours: 0; right: 1.)"),
        ("tell(1); tell(2); return x * factor", "calls", "(Yours: 2; right: 1.)"),
        ("tell(1); return x + factor", "sum", "That is the sum."),
        ("tell(1); return x", "result", "It is not the product. (Row 1, column 1 is "),
        ("tell(1); return (x * factor).T", "result", "(Its shape is [3, 2], expected is [2, 3].)"),
        ("tell(1); return x.new_zeros(0)", "result", "(Its shape is [0], expected is [2, 3].)"),
        ("tell(1); return x * float('nan')", "result", "(Row 1, column 1 is NaN.)"),
        ("tell(1); return (x * factor) * (1 + 1e-6)", "result", "It is not the product."),
        ("tell(1); return None", "result", "It is not the product."),
        ("tell(1); return [1, 2]", "result", "It is not the product."),
        ("tell(1); return 'a text'", "result", "It is not the product."),
        ("tell(1); return 3", "result", "(Its shape is [], expected is [2, 3].)"),
        ("tell(1); return x.to_sparse()", "error", "It stops with"),
        ("tell(1); return x * 1j", "error", "It stops with"),
    ],
)
def test_what_is_wrong_with_what_it_did(compute: LocalCompute, body: str, note: str, words: str) -> None:
    verdict = judge(f"def scale(x, factor, tell):\n    {body}\n", compute)
    assert (verdict.status, verdict.score, verdict.note) == ("wrong", 0, note)
    assert words in verdict.message
    assert verdict.isolation == LEVEL_NAME


def test_rounding_of_another_dtype_is_within_its_tolerance(compute: LocalCompute) -> None:
    code = "def scale(x, factor, tell):\n    tell(1)\n    return x.bfloat16() * factor\n"
    assert judge(code, compute).note == "result"
    wide = tuple(dataclasses.replace(output, rtol=1.6e-2, atol=1e-5) for output in PART.outputs)
    assert judge(code, compute, outputs=wide).status == "correct"


def test_a_starter_is_wrong_and_picked_by_the_variant(compute: LocalCompute) -> None:
    assert judge(starter(key()), compute).status == "wrong"
    part = dataclasses.replace(PART, starter="", starters={"a": "first", "b": "second"}, starter_by="bug")
    its = dataclasses.replace(key(part), params=cast(Any, SimpleNamespace(bug="b")))
    assert starter(its) == "second"


@pytest.mark.parametrize(
    ("code", "note", "words", "line"),
    [
        (
            "def scale(x, factor, tell):\n    y = 1\n    return 1 / 0\n",
            "error",
            "line 3: ZeroDivisionError: division",
            3,
        ),
        ("raise ValueError('at once')\n", "error", "line 1: ValueError: at once", 1),
        ("def scale(x):\n    return x\n", "error", "TypeError", 0),
        ("def scale(x, factor, tell):\n    exit(3)\n", "error", "SystemExit", 2),
        ("def scale(x, factor, tell):\n    raise KeyboardInterrupt\n", "error", "KeyboardInterrupt", 2),
        ("import nothing_of_that_name\n", "error", "ModuleNotFoundError", 1),
        ("return 3\n", "error", "SyntaxError: 'return' outside function", 1),
        ("def scale(x, factor, tell):\n    return scale(x, factor, tell)\n", "error", "RecursionError", 2),
        ("scale = 3\n", "no-function", "The program defines no function scale.", None),
        ("def other():\n    pass\n", "no-function", "The program defines no function scale.", None),
    ],
)
def test_a_program_that_stops(compute: LocalCompute, code: str, note: str, words: str, line: int | None) -> None:
    verdict = judge(code, compute)
    assert (verdict.status, verdict.note) == ("wrong", note)
    assert words in verdict.message
    assert verdict.witness.get("line") == line


def test_a_program_that_never_ends(compute: LocalCompute) -> None:
    code = "def scale(x, factor, tell):\n    while True:\n        pass\n"
    verdict = judge(code, compute, seconds=0.3)
    assert (verdict.status, verdict.note, verdict.score) == ("timeout", "timeout", 0)
    assert verdict.message == "Your program was still running after 0.3 s and was stopped."


@pytest.mark.parametrize("grab", ["'x' * (1 << 32)", "torch.ones(1 << 29)", "[bytes(1 << 20) for _ in range(1 << 12)]"])
def test_a_program_that_takes_all_memory(compute: LocalCompute, grab: str) -> None:
    verdict = judge(f"import torch\ndef scale(x, factor, tell):\n    return {grab}\n", compute, megabytes=1024)
    assert (verdict.status, verdict.note) == ("out_of_memory", "out-of-memory")
    assert "memory" in verdict.message or "MB" in verdict.message


def test_a_program_that_kills_itself(compute: LocalCompute) -> None:
    code = "import os, signal\ndef scale(x, factor, tell):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    verdict = judge(code, compute)
    assert (verdict.status, verdict.note) == ("crashed", "crashed")
    assert "SIGKILL" in verdict.message
    quiet = judge("import os\ndef scale(x, factor, tell):\n    os._exit(0)\n", compute)
    assert quiet.status == "crashed"


def test_what_it_prints_does_not_get_into_the_answer(compute: LocalCompute) -> None:
    code = (
        "import sys\nprint('x' * 300_000)\nsys.stderr.write('y')\ndef scale(x, factor, tell):\n    print('z' * 5000)\n"
    )
    right = code + "    tell(1)\n    return x * factor\n"
    assert judge(right, compute).status == "correct"
    broken = judge(code + "    raise ValueError\n", compute)
    assert broken.witness["printed"].endswith("z\n")
    assert len(broken.witness["printed"]) <= 2000


def test_inputs_may_be_harmed_without_harm(compute: LocalCompute) -> None:
    code = "def scale(x, factor, tell):\n    tell(1)\n    return x.mul_(factor)\n"
    assert judge(code, compute).status == "correct"


def test_every_check_is_on_data_of_its_own() -> None:
    bench = Bench(None, Outcome("ok"))
    kind = Patch()
    for _ in range(3):
        kind.check(kind.read(REFERENCE, key()), key(), bench)
    assert len(set(bench.seeds)) == 3


# -- outcomes as they may come back


def test_outputs_that_are_missing_or_of_no_use() -> None:
    for outputs in ({}, {"calls": "one"}, {"calls": None}):
        verdict = judge(REFERENCE, None, Outcome("ok", outputs=outputs))
        assert verdict.note == "calls"
        assert verdict.witness == {"output": "calls", "missing": True}
    part = judge(REFERENCE, None, Outcome("ok", outputs={"calls": 1}))
    assert part.witness == {"output": "result", "missing": True}
    assert judge(REFERENCE, None, Outcome("ok", outputs={"calls": True})).note == "result"  # True is 1


def test_a_run_that_was_cancelled_counts_neither_way() -> None:
    verdict = judge(REFERENCE, None, Outcome("cancelled", message="was stopped"))
    assert (verdict.status, verdict.score) == ("undecided", 0)


def test_the_curve_is_left_out_where_there_is_none() -> None:
    for outputs in ({}, {"curve": 3}, {"curve": "x"}):
        figure = judge(REFERENCE, None, Outcome("ok", outputs=outputs)).figure
        assert isinstance(figure, Lines)
        assert [series.label for series in figure.series] == ["reference"]
    assert judge(REFERENCE, None, Outcome("ok"), draws=None).figure is None
    assert judge(REFERENCE, None, Outcome("ok"), draws=Curve(figure="none", output="curve")).figure is None


def test_what_a_check_asks_the_engine_for() -> None:
    assert Patch().uses(PART) == ["inputs", "one", "product", "total"]
    with pytest.raises(TypeError, match="inputs"):
        judge(REFERENCE, None, inputs="one")


# -- reading


@pytest.mark.parametrize(
    ("code", "position", "words"),
    [
        ("", 0, "the program is empty"),
        (" \n", 0, "the program is empty"),
        ("def f(:\n    pass", 6, "line 1: "),
        ("x = 1\ndef f()\n    pass", 13, "line 2: expected ':'"),
        ("if True:\nx = 1", 9, "line 2: expected an indented block"),
        ("x = 'abc", 4, "line 1: unterminated string"),
        ("é = (\n", 4, "line 1: '(' was never closed"),
        ("x\0y", None, "null bytes"),
        ("x = '\ud800'", None, "surrogate"),
    ],
)
def test_what_python_cannot_parse_is_a_typing_mistake(code: str, position: int | None, words: str) -> None:
    fault = unreadable(code, key())
    assert words in fault.message
    if position is not None:
        assert fault.position == position


@pytest.mark.parametrize(
    "code",
    [
        "(" * 60_000,
        "-" * 60_000 + "1",
        "a." * 30_000 + "b",
        "[" * 150,
        "lambda:" * 9_000 + "1",
        "x = " + "1+" * 30_000 + "1",
    ],
    ids=range(6),
)
def test_a_program_that_would_exhaust_the_reader(code: str) -> None:
    try:
        Patch().read(code, key())
    except Unreadable as fault:
        examine(fault, code)


def test_how_long_a_program_may_be() -> None:
    assert Patch().read("#" * MAX_CHARS, key()).lines == 1
    fault = unreadable("#" * (MAX_CHARS + 1), key())
    assert fault.position == MAX_CHARS


@pytest.mark.parametrize("code", ['x = "\\d"\n', "x = 0x1for x in y\n", "assert (1, 'x')\n"])
def test_a_warning_is_not_printed_and_no_mistake(code: str, capfd: pytest.CaptureFixture[str]) -> None:
    Patch().read(code, key())
    assert capfd.readouterr() == ("", "")


def test_what_was_understood() -> None:
    kind = Patch()
    assert kind.show(kind.read("x = 1", key()), key()) == "a program of 1 line"
    assert kind.show(kind.read(REFERENCE, key()), key()) == "a program of 4 lines"
    assert kind.write("x = 1", key()) == "x = 1"


code_pieces = st.sampled_from(
    [
        "def f():",
        "\n",
        "    ",
        "return",
        " x",
        "(",
        ")",
        "'",
        '"',
        "\\",
        "\t",
        "é",
        "=",
        ":",
        "#",
        "\x0c",
        "\u2028",
        "\0",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(code_pieces, max_size=20).map("".join) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        source = Patch().read(text, key())
    except Unreadable as fault:
        examine(fault, text)
    else:
        assert source.code == text

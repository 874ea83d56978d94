"""Engines by name, their runs, and the draws that make fresh questions."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

from engines import registry
from engines.fields import plain, read
from engines.parameters import Parameters, declared
from engines.randomness import Draws, seed_for
from engines.registry import UnknownEngine, draw, drawable, execute, parameters_of
from engines.run import Run

# Those that make variants of an exercise; the others are run as they are.
ENGINES = sorted(name for name in declared() if drawable(name))
DTYPES = {name: getattr(torch, record.dtype) for name, record in declared().items()}


def run_of(engine: str, **more: Any) -> Run:
    return Run(dtype=DTYPES[engine], **more)


def test_saying_what_an_engine_may_be_asked_needs_no_torch() -> None:
    code = (
        "import sys; from engines.parameters import declared; from engines import registry; declared(); "
        "import engines.arrays, engines.figures, engines.result; "
        "print([name for name in ('torch', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_unknown_names() -> None:
    with pytest.raises(UnknownEngine, match=r"attention\.sofmax"):
        parameters_of("attention.sofmax")
    with pytest.raises(UnknownEngine):
        draw("attention.sofmax", 1)


def test_two_engines_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"attention\.argmax is declared by"):
        type("Other", (Parameters,), {}, engine="attention.argmax", summary="another")
    assert parameters_of("attention.argmax").__name__ == "Argmax"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_variant_is_a_function_of_its_seed_and_its_data_survive_a_file(engine: str) -> None:
    record = parameters_of(engine)
    for seed in range(1, 60):
        drawn = draw(engine, seed)
        assert isinstance(drawn, record)
        assert read(record, plain(drawn)) == drawn
        if seed % 10 == 0:
            assert draw(engine, seed) == drawn


@pytest.mark.parametrize("engine", ENGINES)
def test_seeds_differ(engine: str) -> None:
    """Of 200 variants nearly all differ; the cost of attention has only so many letters to offer."""
    least = 60 if engine == "complexity.attention" else 195
    assert len({repr(draw(engine, seed)) for seed in range(1, 201)}) >= least
    assert len({repr(draw(engine, seed)) for seed in range(4)}) == 4


@pytest.mark.parametrize("engine", ENGINES)
def test_draws_do_not_depend_on_what_was_drawn_before(engine: str) -> None:
    seeds = [5, 3, 8, 1]
    torch.manual_seed(1)
    random.seed(1)
    forwards = {seed: draw(engine, seed) for seed in seeds}
    torch.manual_seed(2)
    random.seed(2)
    torch.rand(3)
    assert {seed: draw(engine, seed) for seed in reversed(seeds)} == {seed: forwards[seed] for seed in reversed(seeds)}


@pytest.mark.parametrize("engine", [name for name in ENGINES if name.startswith("training")])
def test_another_seed_is_another_problem(engine: str) -> None:
    params = draw(engine, 3)
    one, other = (execute(params, run_of(engine, seed=seed)).values["inputs"] for seed in (1, 2))
    assert one["x"] != other["x"]
    assert one["w1"] != other["w1"]


def test_named_streams() -> None:
    assert seed_for(1, "a") != seed_for(1, "b")
    assert seed_for(1, "a") != seed_for(2, "a")
    # (seed, name) are kept apart: 1/"2/a" is not 12/"a" or the like.
    assert len({seed_for(seed, name) for seed in (1, 11, 12) for name in ("a", "2/a", "1/a", "")}) == 12
    assert all(0 <= seed_for(seed, "x") < 2**63 for seed in range(100))
    draws = Draws(7)
    assert draws.stream("x").random() == draws.stream("x").random()
    assert draws.stream("x").random() != draws.stream("y").random()
    assert draws.again(0) != draws.again(1)
    assert draws.again(1).stream("x").random() != draws.stream("x").random()


def test_named_tensors_of_a_run() -> None:
    one, same, other = Run(seed=3), Run(seed=3), Run(seed=4)
    same.randn("before", 5)
    assert torch.equal(one.randn("x", 4), same.randn("x", 4))
    assert not torch.equal(one.randn("x", 4), other.randn("x", 4))
    assert not torch.equal(one.randn("x", 4), one.randn("y", 4))
    assert one.randn("x", 2, 3).shape == (2, 3)
    halves = Run(seed=3, dtype=torch.bfloat16).randn("x", 4)
    assert halves.dtype == torch.bfloat16
    assert torch.equal(halves, one.randn("x", 4).double().to(torch.bfloat16))
    drawn = one.randint("y", 3, 100)
    assert drawn.dtype == torch.int64
    assert set(drawn.tolist()) == {0, 1, 2}
    assert one.tensor([[1, 2]]).dtype == torch.float32


def test_the_version_follows_the_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    computed: Callable[[], str] = registry.version.__wrapped__
    assert registry.version() == computed() == registry.version()
    (tmp_path / "parameters").mkdir()
    source = tmp_path / "parameters" / "x.py"
    monkeypatch.setattr(registry, "__file__", str(tmp_path / "registry.py"))
    digests = []
    for text in ("a = 1\n", "a = 2\n"):
        source.write_text(text)
        digests.append(computed())
    source.rename(tmp_path / "x.py")
    digests.append(computed())
    assert len(set(digests)) == 3

"""What every engine promises, whatever it computes. Each area names settings that run in a moment in `small/`."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

from engines.counting import Watch
from engines.fields import plain, read
from engines.figures import Figure
from engines.parameters import Parameters, declared
from engines.registry import execute
from engines.run import Cancelled, Run

AREAS = sorted(path.stem for path in (Path(__file__).parent / "small").glob("*.py"))
SMALL: list[Parameters] = [
    params for area in AREAS for params in importlib.import_module(f"tests.engines.small.{area}").SMALL
]
DTYPES = {name: getattr(torch, record.dtype) for name, record in declared().items()}

every_engine = pytest.mark.parametrize("params", SMALL, ids=lambda params: params.engine)


def run_of(params: Parameters, **more: Any) -> Run:
    return Run(**{"dtype": DTYPES[params.engine], **more})


def test_every_engine_is_held_to_it() -> None:
    assert sorted({params.engine for params in SMALL}) == list(declared())


@pytest.mark.parametrize("record", declared().values(), ids=declared())
def test_every_engine_says_what_it_does_and_what_it_may_be_asked(record: type[Parameters]) -> None:
    assert record.summary
    assert record.__doc__
    assert record.dtype in record.dtypes
    assert read(record, plain(record())) == record()  # the defaults are within the limits
    assert len(record.summary) <= 100


@every_engine
def test_a_run_is_a_function_of_its_parameters_and_its_seed(params: Parameters) -> None:
    torch.manual_seed(1)
    first = execute(params, run_of(params, seed=4))
    torch.manual_seed(2)
    second = execute(params, run_of(params, seed=4))
    assert first.to_plain() == second.to_plain()
    assert first.values
    assert first.trace
    assert first.figures
    names = [figure.name for figure in first.figures]
    assert len(set(names)) == len(names)
    assert all(figure.title and figure.caption for figure in first.figures)
    assert all(step.name and step.text for step in first.trace)


@every_engine
def test_progress_rises_and_a_run_stops_when_it_is_asked_to(params: Parameters) -> None:
    told: list[float] = []

    def listen(fraction: float, message: str, figure: Figure | None) -> None:
        assert message
        assert figure is None or (figure.title and figure.caption)
        told.append(fraction)

    execute(params, run_of(params, report=listen))
    assert told
    assert told == sorted(told)
    assert all(0 <= fraction <= 1 for fraction in told)

    def stop(fraction: float, message: str, figure: Figure | None) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        execute(params, run_of(params, report=stop))


@every_engine
def test_no_run_takes_more_than_it_announces(params: Parameters) -> None:
    dtype = DTYPES[params.engine]
    with Watch() as watch:
        execute(params, run_of(params))
    assert watch.peak_bytes <= params.peak_bytes(dtype.itemsize)


@every_engine
def test_a_run_gives_the_same_values_by_name_in_every_type_it_makes_sense_in(params: Parameters) -> None:
    found = {name: execute(params, run_of(params, dtype=getattr(torch, name))).values for name in params.dtypes}
    assert {tuple(values) for values in found.values()} == {tuple(found[params.dtype])}


@pytest.mark.gpu
@every_engine
def test_a_gpu_gives_what_the_processor_gives(params: Parameters) -> None:
    values = [execute(params, Run(dtype=torch.float64, device=device, seed=1)).values for device in ("cpu", "cuda")]
    assert values[0].keys() == values[1].keys()
    for name, want in values[0].items():
        got = values[1][name]
        if hasattr(want, "flat"):
            assert got.shape == want.shape
            assert got.flat() == pytest.approx(want.flat(), rel=1e-6, abs=1e-8)

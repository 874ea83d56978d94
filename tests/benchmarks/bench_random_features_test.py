"""Random features: the whole grid against a loop over its cells, and a Performer against a well-known library.

What bounds the grid (2240 cells, N = 256, M = 8, all on one core of 90 GFLOP/s): 42 million projections w·x of q and k,
each with a sine (1.25 ns), a cosine (1.35 ns) and an exp (0.85 ns), and as many for the orthogonal draws with one exp
(0.85 ns): 180 ms. Its products are 8 GFLOP, 90 ms, half of them thin (9 rows) at half that rate.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from engines.attention import softmax_attention
from engines.feature_grid import KINDS, Problem, cell_error, error_grid
from engines.feature_maps import orthogonal_draws
from engines.performer_attention import performer_attention
from engines.run import Run
from tests.benchmarks.conftest import Report
from tests.benchmarks.contest import Contestant, contest

WIDTHS = (4, 8, 16, 32, 64)
COUNTS = (16, 32, 64, 128, 256, 512, 1024)
SEEDS, LENGTH, VALUES = 16, 256, 8


def problems(scale: float = 0.5) -> list[Problem]:
    """Inputs at half the unit scale, where features are of some use."""
    run = Run(seed=1)
    return [
        Problem(
            scale * run.randn(f"query {d}", SEEDS, LENGTH, d),
            scale * run.randn(f"key {d}", SEEDS, LENGTH, d),
            run.randn(f"value {d}", SEEDS, LENGTH, VALUES),
            run.randn(f"draws {d}", SEEDS, COUNTS[-1], d),
        )
        for d in WIDTHS
    ]


def loop(grid: list[Problem]) -> Tensor:
    """Cell after cell; what cells of a problem share (softmax attention, orthogonal draws) is made once."""
    errors = torch.empty(len(KINDS), len(grid), len(COUNTS), SEEDS)
    for d, problem in enumerate(grid):
        turned = orthogonal_draws(problem.draws)
        for s in range(SEEDS):
            inputs = problem.query[s], problem.key[s], problem.value[s]
            exact = softmax_attention(*inputs)
            for i, kind in enumerate(KINDS):
                # Orthogonal features are positive features of draws that were turned.
                draws, plain = (turned[s], "positive") if kind == "orthogonal" else (problem.draws[s], kind)
                for j, count in enumerate(COUNTS):
                    errors[i, d, j, s] = cell_error(plain, *inputs, draws[:count], exact)[0]
    return errors


def test_the_grid_against_a_loop_over_its_cells(report: Report) -> None:
    grid = problems()
    found, cells = error_grid(grid, COUNTS).relative, loop(grid)
    assert found.numel() == 2240
    assert ((found - cells).abs() / cells).median() < 1e-6
    torch.testing.assert_close(found, cells, rtol=5e-3, atol=1e-6)  # the worst cells divide by almost nothing
    contestants: dict[str, Contestant] = {"grid": partial(error_grid, grid, COUNTS), "loop": partial(loop, grid)}
    work = contest(contestants, rounds=5)
    speedup = work.speedup("grid", "loop")
    report.row("2240 cells, one thread", f"{speedup:.1f} x loop", "4.0", f"{work.median('grid') * 1000:.0f} ms")
    wall = contest({"grid": contestants["grid"]}, rounds=7, clock="wall", threads=2)
    best = min(wall.seconds["grid"])
    report.row("2240 cells, two threads", f"{best * 1000:.0f} ms", "400 ms", "wall clock, best round")
    assert speedup >= 4
    assert best <= 0.4


def median_error(attend: Callable[[], Any], heads: int, scale: float) -> float:
    """Median relative error over 20 problems; `attend` is made anew, with its draws, for each."""
    errors: list[float] = []
    for seed in range(20):
        torch.manual_seed(seed)
        query, key, value = (torch.randn(1, heads, 1024, 64) * s for s in (scale, scale, 1.0))
        exact = F.scaled_dot_product_attention(query, key, value)
        with torch.no_grad():
            errors.append(((attend()(query, key, value) - exact).norm() / exact.norm()).item())
    return sorted(errors)[10]


@pytest.mark.parametrize(("heads", "least"), [(1, 1.3), (8, 1.5)])
def test_performer_attention_against_a_well_known_library(heads: int, least: float, report: Report) -> None:
    """1024 positions of 64 numbers, 256 features of the library; entries of deviation 1/4 and 1/2.

    Pairs of opposite orthogonal draws under the best tilt leave less error from 104 draws (208 features) than the
    library does from its 256: that is the comparison at no greater error. With 256 features here too, products bound
    the quotient: 50 million multiply-adds against 67 million, 1.33, and both take as many exponentials. With one head
    1.5 is not reached every time (1.41 to 1.55 in runs of 11 and 25 rounds): the library's features still fit the cache
    then, so its extra passes over them are nearly free, and thirty small operations are a tenth of our time.

    At deviation 1 both are of no use: the library, whose eps pulls there, has the error of uniform attention, .8, and
    an unbiased estimate from 256 features one of 4.
    """
    library = pytest.importorskip("performer_pytorch.performer_pytorch")

    def ours(draws: int) -> Any:
        return partial(performer_attention, draws=orthogonal_draws(torch.randn(draws, 64)))

    def theirs() -> Any:
        return library.FastAttention(64, 256)

    for scale in (0.25, 0.5):
        own, peer = median_error(partial(ours, 104), heads, scale), median_error(theirs, heads, scale)
        report.row(f"error, {heads} heads, scale {scale}", f"{own / peer:.2f} x library", "1.00", f"{own:.3f}")
        assert own <= peer
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, heads, 1024, 64) * s for s in (0.5, 0.5, 1.0))
    contestants: dict[str, Contestant] = {
        "library": partial(theirs(), query, key, value),
        "no greater error": partial(ours(104), query, key, value),
        "as many features": partial(ours(128), query, key, value),
    }
    with torch.no_grad():
        work = contest(contestants, rounds=25)
    speedup = {name: work.speedup(name, "library") for name in contestants}
    for name, budget in (("no greater error", least), ("as many features", 1.1)):
        took = f"{work.median(name) * 1000:.1f} ms"
        report.row(f"Performer, {heads} heads, {name}", f"{speedup[name]:.2f} x library", f"{budget:.2f}", took)
    assert speedup["no greater error"] >= least
    assert speedup["as many features"] >= 1.1

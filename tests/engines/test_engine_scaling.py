"""Moments of inner products against closed forms and simulation, and the softmax that follows. E1 and E2."""

from __future__ import annotations

import math

import pytest
import torch

from engines.figures import Lines
from engines.parameters.scaling import DotProduct, Saturation
from engines.registry import draw, execute
from engines.result import Result
from engines.run import Run
from engines.scaling import Z99, Estimate, dot_product_moments, softmax_slopes


def result_of(params: DotProduct | Saturation, seed: int = 0) -> Result:
    return execute(params, Run(dtype=torch.float64, seed=seed))


@pytest.fixture(scope="module")
def published() -> Result:
    return result_of(DotProduct(dimensions=(4, 64, 256)))


def test_moments_of_one_entry_by_integration() -> None:
    """Gauss-Hermite quadrature of (xy)ʲ under N(μ, σ²)²: no sampling, no formula."""
    # Nodes of the 5-point rule for the standard normal: exact up to degree 9.
    outer, inner = math.sqrt(5 + math.sqrt(10)), math.sqrt(5 - math.sqrt(10))
    nodes = torch.tensor([-outer, -inner, 0.0, inner, outer], dtype=torch.float64)
    far, near = (7 - 2 * math.sqrt(10)) / 60, (7 + 2 * math.sqrt(10)) / 60
    weights = torch.tensor([far, near, 8 / 15, near, far], dtype=torch.float64)
    for mu, sigma in ((0.7, 1.3), (0.0, 2.0), (-3.0, 0.5)):
        x = mu + sigma * nodes
        products, chance = torch.outer(x, x), torch.outer(weights, weights)
        mean = float((chance * products).sum())
        variance = float((chance * products.square()).sum()) - mean**2
        exact = dot_product_moments(torch.full((3,), mu, dtype=torch.float64), sigma)
        assert exact == pytest.approx((3 * mean, 3 * variance), rel=1e-12)


def test_the_published_answers(published: Result) -> None:
    """000 q3, 002 q2: mean ‖μ‖², variance d, scale √d."""
    values = published.values
    assert values["mean"] == 0
    assert values["variance"] == 64
    assert values["scale"] == 8
    assert abs(values["measured_variance"] - 64) < 4 * values["measured_variance_error"]
    assert abs(values["measured_mean"]) < 4 * values["measured_mean_error"]


def test_e1_the_variance_is_d_and_not_d_squared(published: Result) -> None:
    for point in published.values["curve"]:
        assert point["exact"] == point["d"]
        assert point["measured"] == pytest.approx(point["d"], rel=0.06)
    assert published.values["variance_d_squared"] == 4096
    figure = published.figure("variance")
    assert isinstance(figure, Lines)
    measured, exact, square = figure.series
    assert measured.low is not None
    assert measured.high is not None
    inside = [a <= x <= b for a, x, b in zip(measured.low.flat(), exact.y.flat(), measured.high.flat(), strict=True)]
    assert all(inside)
    assert not any(
        a <= x <= b for a, x, b in zip(measured.low.flat(), square.y.flat(), measured.high.flat(), strict=True)
    )


def test_e2_independence_is_needed() -> None:
    """d = 16, μ = 0.7, σ = 1.3: 7.84 and 72.197; for one and the same vector the mean is 34.88."""
    values = result_of(DotProduct(dimension=16, mean=(0.7,), sigma=1.3, dimensions=(4, 16))).values
    assert values["mean"] == pytest.approx(7.84)
    assert values["variance"] == pytest.approx(72.1968, rel=1e-5)
    assert values["same_vector_mean"] == pytest.approx(34.88)
    assert values["same_vector_measured"] == pytest.approx(34.88, abs=0.4)
    assert abs(values["measured_mean"] - 7.84) < 4 * values["measured_mean_error"]
    assert abs(values["measured_variance"] - 72.197) < 4 * values["measured_variance_error"]
    assert values["scale"] is None  # no factor makes a mean of 7.84 vanish


def test_confidence_intervals_cover_what_they_say() -> None:
    """99 % intervals of mean and variance hold the truth in most of 200 repetitions, and not in all widths."""
    covered = {"mean": 0, "variance": 0}
    widths = []
    for seed in range(200):
        run = Run(dtype=torch.float64, seed=seed)
        products = (run.randn("q", 2000, 9) * run.randn("k", 2000, 9)).sum(1)
        found = Estimate.of(products)
        covered["mean"] += abs(found.mean) < Z99 * found.mean_error
        covered["variance"] += abs(found.variance - 9) < Z99 * found.variance_error
        widths.append(found.variance_error)
    assert 190 <= covered["mean"] <= 200
    assert 188 <= covered["variance"] <= 200
    # Var(s²) = (m₄ − σ⁴)/n with m₄ = 3d² + 6d for a sum of d products: kurtosis 3 + 6/d.
    assert sum(widths) / 200 == pytest.approx(math.sqrt((3 * 81 + 54 - 81) / 2000), rel=0.03)


def test_entries_of_the_mean_are_repeated() -> None:
    values = result_of(DotProduct(dimension=5, mean=(1.0, -2.0), samples=200, dimensions=(2, 5))).values
    assert values["mean"] == 1 + 4 + 1 + 4 + 1
    assert values["variance"] == 2 * 11 + 5
    assert values["mean_of_entries"] == 1 - 2 + 1 - 2 + 1


def test_saturation_has_the_published_entropies() -> None:
    """d = 1024, 16 keys: unscaled .089, √d 2.359, d 2.772 of 2.773 (2000 queries there, 400 here)."""
    values = result_of(Saturation(dimensions=(4, 64, 1024))).values
    assert values["unscaled_entropy"] == pytest.approx([1.766, 0.416, 0.089], abs=0.06)
    assert values["sqrt_scaled_entropy"] == pytest.approx([2.379, 2.359, 2.359], abs=0.03)
    assert values["d_scaled_entropy"] == pytest.approx([2.659, 2.765, 2.772], abs=0.01)
    assert values["uniform_entropy"] == pytest.approx(2.7726, abs=1e-4)
    assert values["unscaled_slope"][0] > 2 * values["unscaled_slope"][1] > 6 * values["unscaled_slope"][2]
    assert values["unscaled_score_sd"] == pytest.approx([2, 8, 32], rel=0.05)


def test_slopes_are_the_diagonal_of_the_jacobian() -> None:
    z = Run(dtype=torch.float64).randn("z", 7)
    jacobian = torch.autograd.functional.jacobian(lambda z: z.softmax(0), z)
    assert float(softmax_slopes(z.softmax(0))) == pytest.approx(float(jacobian.diagonal().mean()))


def test_variants_keep_to_their_constraints() -> None:
    centred = 0
    for seed in range(1, 101):
        params = draw("scaling.dot_product", seed)
        assert isinstance(params, DotProduct)
        assert all(entry == int(entry) for entry in params.mean)
        centred += params.mean == (0.0,)
        assert params.mean == (0.0,) or len(params.mean) == params.dimension
    assert 30 <= centred <= 70

"""Growth classes as they are asked for and answered."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from workbench.answers.formula import Undecidable, Unreadable, read
from workbench.answers.formula.growth import Comparison, Growth, compare, conditions, growth, leading
from workbench.answers.formula.growth.monomials import Work

ABC = ("N", "D", "M")
HEADS = ("n", "d", "m", "h")
BEAM = ("T", "k", "M")


def grown(text: str, names: Sequence[str]) -> Growth:
    return growth(read(text, names).tree, names)


def compared(yours: str, wanted: str, names: Sequence[str], under: Sequence[str] = ()) -> Comparison:
    return compare(grown(yours, names), grown(wanted, names), conditions(under, names))


EQUAL = [
    # from the exercises
    (ABC, (), "N^2*D + N^2*M", "N²(D+M)"),
    (ABC, (), "N²(D+M)", "N²·max(D,M)"),
    (ABC, (), "N^2*D + N^2*M + N^2", "N^2 D + N^2 M"),
    (ABC, (), "N(N+M+D)", "N*max(N,M,D)"),
    (ABC, (), "N^2 + N*D + N*M", "N*max(N,M,D)"),
    (ABC, ("M ~ D",), "N*D^2*M", "N*D^3"),
    (ABC, ("M ~ D",), "N*D + N*M + D^2*M", "N*D + D^3"),
    (HEADS, ("n >= m,d",), "n*m + n*d + m*d", "n*m + n*d"),
    (HEADS, ("n >= max(m, d)",), "n*m + n*d + m*d", "n*m + n*d"),
    (HEADS, ("n >> m, d",), "n*m + n*d + m*d", "n*m + n*d"),
    (HEADS, ("n ≫ d",), "n*d + d^2", "n*d"),
    (HEADS, ("h const",), "h*n^2*d + h*n*d^2", "n d (n + d)"),
    (HEADS, ("h const", "n >= d"), "h n² d + h n d²", "n²d"),
    (BEAM, ("M const",), "T*(k*M*log(M) + k^2*log(k))", "T*k^2*log k"),
    (BEAM, ("M is constant",), "T k M + T k^2 log k", "T k² log k"),
    (BEAM, ("k <= M",), "T*(k*M*log(M) + k^2*log(k))", "T k M log M"),
    (BEAM, (), "1 + k*(T-1)", "k T"),
    # sums, products, maxima
    (ABC, (), "N", "3N + 5"),
    (ABC, (), "N-1", "N"),
    (ABC, (), "N*(N-1)/2", "N²"),
    (ABC, (), "(D+1)(D+2)/2", "D²"),
    (ABC, (), "N² - N", "N²"),
    (ABC, (), "N log N - N", "N log N"),
    (ABC, (), "N D - N - D + 1", "N D"),
    (ABC, (), "(N+M)^2", "N² + N M + M²"),
    (ABC, (), "(N+M)(N+M)", "N² + M²"),
    (ABC, (), "(N+M+D)^3", "N³+M³+D³"),
    (ABC, (), "max(N, M, D, N)", "N+M+D"),
    (ABC, (), "max(N², M) D", "max(N² D, M D)"),
    (ABC, (), "min(N,M)*max(N,M)", "N M"),
    (ABC, (), "min(N,M)", "N M/(N+M)"),
    (ABC, (), "1/min(N,M)", "1/N + 1/M"),
    (ABC, (), "min(N, M, D)", "min(N, min(M, D))"),
    (ABC, (), "(N² + M²)/(N+M)", "N + M"),
    (ABC, (), "N/(D/M)", "N M/D"),
    (ABC, (), "N/D + 1", "ceil(N/D)"),
    (ABC, (), "floor(N/2)", "N"),
    (ABC, (), "|N|", "N"),
    (ABC, (), "e N", "π N"),
    (ABC, (), "√2 N", "N"),
    (ABC, (), "2^10 N", "N"),
    (ABC, (), "2^0.5 N", "N"),
    (ABC, (), "(3-2) N", "N"),
    (ABC, (), "N + 0", "N"),
    (ABC, (), "N + 2*(-3)", "N"),
    (ABC, (), "2^100 N", "N"),
    (ABC, (), "2^(√2) N", "N"),
    (ABC, (), "N^0 + 1", "7"),
    # powers
    (ABC, (), "√(N D)", "N^(1/2) D^.5"),
    (ABC, (), "√(N²+D²)", "N + D"),
    (ABC, (), "N^1.5", "N√N"),
    (ABC, (), "N^-1", "1/N"),
    (ABC, (), "(N^3)^(1/3)", "N"),
    (ABC, (), "N^(3-1)", "N²"),
    # logs
    (ABC, (), "log(N D)", "log N + log D"),
    (ABC, (), "log(N+D)", "log N + log D"),
    (ABC, (), "log(N^2)", "log N"),
    (ABC, (), "log(√N)", "log N"),
    (ABC, (), "log2(N)", "ln(N)"),
    (ABC, (), "log(N)+1", "log N"),
    (ABC, (), "log(5)", "1"),
    (ABC, (), "log(N log N)", "log N"),
    (ABC, (), "log(N/2)", "log N"),
    (ABC, (), "log(N²/N)", "log N"),
    (ABC, (), "log(N-1)", "log N"),
    (ABC, (), "log(2^N)", "N"),
    (ABC, (), "log(N^D)", "D log N"),
    (ABC, (), "log(exp(N))", "N"),
    (ABC, (), "log(max(N,D))", "max(log N, log D)"),
    (ABC, (), "log(min(N,D))", "min(log N, log D)"),
    (ABC, (), "√N + log(N)^9", "√N"),
    (ABC, (), "N^0.001 + log(N)^9", "N^0.001"),
    (ABC, (), "N + log(N)^9", "N"),
    (ABC, (), "D log N + D log D + N", "D log D + N"),
    (ABC, ("D ~ N²",), "log D", "log N"),
    (ABC, ("D >= N",), "D log N + D log D", "D log D"),
]


@pytest.mark.parametrize(("names", "under", "one", "other"), EQUAL)
def test_equal(names: tuple[str, ...], under: tuple[str, ...], one: str, other: str) -> None:
    for yours, wanted in ((one, other), (other, one)):
        result = compared(yours, wanted, names, under)
        assert result.relation == "equal", (result.above, result.below)
        assert result.above is None
        assert result.below is None


@pytest.mark.parametrize(
    ("names", "under", "yours", "wanted", "relation", "sentences"),
    [
        (ABC, (), "N*D^2*M", "N*D^3", "neither", ["let M grow, N and D constant", "let D grow, N and M constant"]),
        (HEADS, (), "n*m+n*d+m*d", "n*m+n*d", "too large", ["let d grow with m = d, n constant"]),
        (ABC, (), "N*D + D^3", "N*D^2 + D^3", "too small", ["let D grow with N = D²"]),
        (ABC, ("N >> D^2",), "N*D + D^3", "N*D^2 + D^3", "too small", ["let D grow with N = D³"]),
        (ABC, (), "N^2*D", "N^2*D + N^2*M", "too small", ["let M grow, N and D constant"]),
        (ABC, (), "N^2*D*M", "N^2*D + N^2*M", "too large", ["let D grow with M = D, N constant"]),
        (ABC, (), "N^3", "N^2", "too large", ["let N grow"]),
        (ABC, (), "1", "N", "too small", ["let N grow"]),
        (ABC, (), "N log N", "N", "too large", ["let N grow"]),
        (ABC, (), "N", "N D", "too small", ["let D grow, N constant"]),
        (ABC, (), "N + D", "N D", "too small", ["let N grow with D = N"]),
        (ABC, (), "min(N,D)", "N", "too small", ["let N grow, D constant"]),
        (BEAM, (), "T*k^2", "T*k^2*log k", "too small", ["let k grow, T constant"]),
        (BEAM, (), "T k M log M + T k² log k", "T k² log k", "too large", ["let M grow, T and k constant"]),
        (BEAM, ("k <= M",), "T k M", "T k M log M", "too small", ["let M grow, T and k constant"]),
        (HEADS, ("h const",), "n²d + n d²", "n²d", "too large", ["let d grow, n constant"]),
        (ABC, ("D const",), "N*D", "N", "equal", []),
        (ABC, ("N >> D^2",), "D^2 log D", "N", "neither", None),
        (("n", "m"), (), "log n", "log m", "neither", ["let n grow, m constant", "let m grow, n constant"]),
    ],
)
def test_different(
    names: tuple[str, ...],
    under: tuple[str, ...],
    yours: str,
    wanted: str,
    relation: str,
    sentences: list[str] | None,
) -> None:
    result = compared(yours, wanted, names, under)
    assert result.relation == relation
    turned = compared(wanted, yours, names, under)
    assert turned.relation == {"too large": "too small", "too small": "too large"}.get(relation, relation)
    if sentences is not None:
        assert [found.sentence for found in (result.above, result.below) if found] == sentences


def test_witness_names_the_terms() -> None:
    found = compared("N^2 + N D^2 + 7", "N^2 + N D log D", ABC).above
    assert found is not None
    assert (found.sentence, found.term, found.against) == ("let D grow, N constant", "N·D²", "N·D·log(D)")
    assert found.ray is not None
    assert (found.ray.names, found.ray.exponents) == (("N", "D"), (0, 1))
    found = compared("N/D", "N/D²", ABC).above
    assert found is not None
    assert (found.term, found.against) == ("N/D", "N/D²")


def test_witness_on_the_edge_of_a_strict_condition() -> None:
    """N >> D² does not say that N >> D² log D."""
    found = compared("D^2 log D", "N", ABC, ["N >> D^2"]).above
    assert found is not None
    assert found.sentence == "let D grow with N = D² (N >> D^2 only just)"
    assert compared("D^2", "N + D^2", ABC, ["N >> D^2"]).relation == "too small"
    assert compared("D^2 + N", "N", ABC, ["N >> D^2"]).relation == "equal"


def test_witness_may_be_exponential() -> None:
    """N as a power of D shows no difference here: there log N and log D are alike."""
    found = compared("D log N", "D log D + log(N)^2", ABC).above
    assert found is not None
    assert found.sentence == "let D grow with N = exp(√D)"
    assert found.ray is not None
    assert (found.ray.fast, found.ray.rate, found.ray.exponents) == (frozenset({"N"}), 1, (1, 2))


def test_witness_may_need_a_factor_of_logs() -> None:
    yours, wanted = "N*M*D*log(D)^3", "M^2*D^2 + N^2*log(N)^3 + D log(M) log(D)"
    found = compared(yours, wanted, ABC, ["N >> D^2"]).above
    assert found is not None
    assert found.ray is not None
    assert any(found.ray.lifts)
    assert "log(" in found.sentence


@pytest.mark.parametrize(
    ("text", "names", "under", "simplest"),
    [
        ("N²(D+M)", ABC, (), "N²·D + N²·M"),
        ("N²·max(D,M) + N", ABC, (), "N²·D + N²·M"),
        ("3(N+M)²", ABC, (), "N² + M²"),
        ("N D + D²", ABC, ("N >= D",), "N·D"),
        ("T*(k*M*log(M)+k^2*log(k))", BEAM, (), "T·k²·log(k) + T·k·M·log(M)"),
        ("T*(k*M*log(M)+k^2*log(k))", BEAM, ("k <= M",), "T·k·M·log(M)"),
        ("min(N,M)", ABC, (), "min(N, M)"),
        ("D min(N,M)²", ABC, (), "D·min(N², M²)"),
        ("N M/(N+M)", ABC, (), "min(N, M)"),
        ("N/(D+M)", ABC, (), "N/(D + M)"),
        ("(N²+M²)/(N+M)", ABC, (), "N + M"),
        ("N/D", ABC, (), "N/D"),
        ("1/(2N)", ABC, (), "1/N"),
        ("N^1.5", ABC, (), "N^(3/2)"),
        ("√(N log N)", ABC, (), "√N·√log(N)"),
        ("7", ABC, (), "1"),
        ("log²(N)", ABC, (), "log(N)²"),
    ],
)
def test_leading(text: str, names: tuple[str, ...], under: tuple[str, ...], simplest: str) -> None:
    found = grown(text, names)
    shown = leading(found, conditions(under, names))
    assert shown == simplest
    assert compared(shown, text, names, under).relation == "equal"


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("0*N", "0", "a growth class is positive, and this is zero"),
        ("N*(2-2)", "2-2", "a growth class is positive, and this is zero"),
        ("N*(1-2)", "1-2", "a growth class is positive, and this is negative"),
        ("N*-3", "-3", "a growth class is positive, and this is negative"),
        ("-N", "-N", "a growth class is positive: leave the minus out"),
        ("N/(1-1)", "1-1", "a growth class is positive, and this is zero"),
        ("2/(1-1)*N", "2/(1-1)", "nothing can be divided by 0"),
        ("log(1) N", "1", "the log of this number is 0"),
        ("log(1/2) N", "1/2", "the log of this number is negative"),
        ("log(0) N", "0", "the log of this number is not defined"),
        ("N @ D", "N @ D", "only numbers have a growth class, no matrices"),
        ("N^⊤", "N^⊤", "only numbers have a growth class, no matrices"),
    ],
)
def test_no_growth_class(text: str, marked: str, message: str) -> None:
    with pytest.raises(Unreadable) as caught:
        grown(text, ABC)
    fault = caught.value
    assert fault.message == message
    assert text[fault.position : fault.position + fault.length] == marked


ALIKE = "where both sides of a minus may grow alike, write the one that counts"
EXPONENTIAL = "exponential growth, with a variable in the exponent, is not compared"


@pytest.mark.parametrize(
    ("text", "marked", "message"),
    [
        ("N + N^D", "N^D", EXPONENTIAL),
        ("2^N", "2^N", EXPONENTIAL),
        ("N^(log N)", "N^(log N)", EXPONENTIAL),
        ("exp(N)", "exp(N)", "exponential growth is not compared"),
        ("N² - D²", "N² - D²", ALIKE),
        ("N - N/2", "N - N/2", ALIKE),
        ("1 - N", "1 - N", ALIKE),
        ("log(N/D)", "N/D", "the log of a quotient is not compared"),
        ("log(1/N)", "1/N", "the log of a quotient is not compared"),
        ("log log N", "log N", "the log of a log is not compared"),
        ("log(N + log D)", "log D", "the log of a log is not compared"),
        ("floor(N/D)", "floor(N/D)", "this may round down to 0: write the quotient without ⌊⌋"),
        ("sin(N)", "sin(N)", "the growth of sin is not compared"),
        ("N^π", "π", "only fractions are compared as exponents"),
        ("N^0.000000001", "0.000000001", "this exponent is too large or too fine to compare"),
        ("((N^999)^999)^999", "", "the exponents are too large to compare"),
        ("(N+D+M+N²/D)" * 12, "", "these formulas are too large to compare"),
    ],
)
def test_undecidable(text: str, marked: str, message: str) -> None:
    with pytest.raises(Undecidable) as caught:
        grown(text, ABC)
    fault = caught.value
    assert fault.message == message
    assert text[fault.position : fault.position + fault.length] == marked


@pytest.mark.parametrize("pattern", ["log({})*N^D", "log({}+N^D)", "log(N^D*{})", "log(min({}, N^D))"])
def test_logs_within_logs_end_soon(pattern: str) -> None:
    """Each log is looked at in two ways, which must not make 2^20 ways of twenty."""
    text = "N"
    for _ in range(19):
        text = pattern.format(text)
    with pytest.raises(Undecidable):
        grown(text, ABC)


def test_compared_over_the_same_names_only() -> None:
    with pytest.raises(ValueError, match="different names"):
        compare(grown("N", ABC), grown("T", BEAM), conditions((), ABC))


def test_six_variables_are_compared_and_seven_are_not() -> None:
    names = tuple("abcdfgh")
    logs = "*".join(f"log({name})" for name in names[:6])
    powers = "+".join(f"log({name})^6" for name in names[:6])
    assert compared(logs, powers, names).relation == "too small"
    assert compared("+".join(names[:6]), "*".join(names[:6]), names).relation == "too small"
    with pytest.raises(Undecidable, match="at most 6 variables are compared, and here are 7"):
        compared("+".join(names), "1", names)


def test_work_is_counted() -> None:
    work = Work(10)
    work.spend(10)
    with pytest.raises(Undecidable, match="these formulas are too large to compare"):
        work.spend(1)

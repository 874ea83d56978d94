"""What pyproject.toml asks for and constraints.txt locks: the two agree, with each other and with what is here."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from importlib.metadata import Distribution
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packaging.accounts import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
NEEDED = {need.name: need for need in map(Requirement, PROJECT["dependencies"])}
ALL = [Requirement(text) for text in (*PROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra))]


def locked() -> dict[str, str]:
    """The versions of constraints.txt by name."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"==[\d.]+", str(pin.specifier)) for pin in pins)
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}


def installed() -> dict[str, Distribution]:
    """What is here of all that the project needs, directly or not; torch and what it brings is its own affair."""
    found: dict[str, Distribution] = {}
    todo = [need for need in ALL if need.name != "torch"]
    while todo:
        need = todo.pop()
        name = canonicalize_name(need.name)
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # an extra that is not installed
        wanted = [{"extra": extra} for extra in ("", *need.extras)]
        for text in found[name].requires or []:
            further = Requirement(text)
            if further.marker is None or any(further.marker.evaluate(environment) for environment in wanted):
                todo.append(further)
    return found


def test_torch_is_capped_at_the_minor_that_was_tested() -> None:
    allowed = NEEDED["torch"].specifier
    assert allowed.contains("2.13.1+cpu")
    assert allowed.contains("2.13.0+cu130")
    assert not allowed.contains("2.14.0")
    (made,) = re.findall(r"^TORCH +\?= (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert Requirement(made) == NEEDED["torch"]


def test_textual_is_pinned_to_the_version_whose_private_names_are_used() -> None:
    assert str(NEEDED["textual"].specifier) == f"=={importlib.metadata.version('textual')}"


def test_every_lock_lies_within_the_range_that_is_asked_for() -> None:
    versions = locked()
    for need in ALL:
        version = versions.get(canonicalize_name(need.name))
        assert version is None or need.specifier.contains(version), f"{need} against {version}"
    assert "torch" not in versions


def test_what_ships_machine_code_is_locked() -> None:
    native = {
        name
        for name, distribution in installed().items()
        if "Tag: py3-none-any" not in (distribution.read_text("WHEEL") or "")
    }
    assert {"numpy", "pyyaml"} <= native
    assert not {"textual", "rich", "pytest"} & native
    assert native - locked().keys() == set()


def test_what_draws_is_locked() -> None:
    """Another version of one of these may draw a golden differently."""
    assert {"textual", "rich", "plotext", "pygments", "markdown-it-py"} <= locked().keys()


def test_every_lock_is_still_needed() -> None:
    have = installed()
    missing = [
        name
        for extra in EXTRAS.values()
        for name in map(Requirement, extra)
        if canonicalize_name(name.name) not in have
    ]
    if missing:
        pytest.skip(f"not all extras are installed: {', '.join(map(str, missing))}")
    assert locked().keys() <= have.keys()


def test_versions_here_are_those_that_are_asked_for() -> None:
    have = installed()
    for need in ALL:
        found = have.get(canonicalize_name(need.name))
        if found is not None:
            assert need.specifier.contains(Version(found.version)), f"{need} against {found.version}"

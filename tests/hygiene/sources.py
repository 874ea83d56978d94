"""The sources of the project as trees, and what can be seen in one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("engines", "workbench")

# Folders of a checkout that are not of the project.
FOREIGN = {
    ".git",
    ".venv",
    "__pycache__",
    ".pytest_cache",
    ".hypothesis",
    ".mypy_cache",
    ".ruff_cache",
    "build",
    "dist",
}


@cache
def tree_of(path: Path) -> ast.Module:
    """A module as its tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def modules(*folders: str) -> list[Path]:
    """The modules below some folders of the checkout."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    """A file by its path in the checkout."""
    return path.relative_to(ROOT).as_posix()


def texts() -> Iterator[tuple[str, str]]:
    """Every file of the project that is text, by name."""
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT)
        if (
            path.is_file()
            and not FOREIGN.intersection(inside.parts)
            and not any(".egg" in part for part in inside.parts)
        ):
            yield inside.as_posix(), path.read_text(encoding="utf-8")


def imported(tree: ast.AST) -> dict[str, str]:
    """Every name that an import binds, anywhere in a module, with what it stands for."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or name] = name
                found.setdefault(alias.name, alias.name)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def read(tree: ast.AST) -> set[str]:
    """Every name that a module reads, spelled out from its imports: `os.system` also where it is called otherwise."""
    names = imported(tree)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, *rest = ast.unparse(node).split(".")
            found.add(".".join([names.get(first, first), *rest]))
    return found

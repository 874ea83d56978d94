"""Rules that every module keeps: what is typed or read is never run, private names stay private, all is described."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.hygiene.sources import PACKAGES, ROOT, imported, modules, name_of, read, tree_of

CHILD = "workbench/sandbox/child.py"
# Modules that turn data into code, or into objects of any class; and calls that do, or that start a shell.
MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "code", "codeop", "runpy", "builtins"}
CALLS = {"eval", "exec", "compile", "__import__", "breakpoint",
         "os.system", "os.popen", "torch.load", "torch.save", "torch.jit.load", "torch.hub", "numpy.load", "np.load",
         "yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "subprocess.getoutput",
         "subprocess.getstatusoutput"}  # fmt: skip


def risks(tree: ast.AST) -> set[str]:
    """What of a module could run text, or load objects of any class."""
    brought = set(imported(tree).values())
    found = {name for name in brought if name.partition(".")[0] in MODULES}
    found |= (brought | read(tree)) & CALLS
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("shell", "allow_pickle"):
            found.add(f"{node.arg}=")
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("eval('1')", "eval"),
        ("run = exec", "exec"),
        ("import builtins", "builtins"),
        ("from pickle import loads", "pickle.loads"),
        ("import pickle as p", "pickle"),
        ("import os\nos.system('ls')", "os.system"),
        ("from os import system as go", "os.system"),
        ("import torch\ndef f(): return torch.load('x')", "torch.load"),
        ("import yaml\nyaml.load('x', yaml.SafeLoader)", "yaml.load"),
        ("import numpy as np\nnp.load('x')", "numpy.load"),
        ("import subprocess\nsubprocess.run('ls', shell=True)", "shell="),
        ("import importlib\nimportlib.import_module('x')", ""),
        ("import re\nre.compile('x')\nmodel.eval()", ""),
    ],
)
def test_the_scan_finds_what_it_looks_for(source: str, found: str) -> None:
    assert risks(ast.parse(source)) == ({found} if found else set())


def test_nothing_is_run_or_unpickled_but_a_students_program_in_the_sandbox() -> None:
    assert {name_of(path): risks(tree_of(path)) for path in modules(*PACKAGES) if risks(tree_of(path))} == {
        CHILD: {"exec", "compile"}
    }


def test_one_module_reads_yaml_and_does_it_safely() -> None:
    names = {
        name_of(path): {name for name in read(tree_of(path)) if name.partition(".")[0] == "yaml"}
        for path in modules(*PACKAGES)
    }
    readers = {path: found for path, found in names.items() if found}
    assert set(readers) == {"workbench/spec/source.py"}
    loaders = {name for name in readers["workbench/spec/source.py"] if name.endswith("Loader")}
    assert loaders == {"yaml.CSafeLoader"}


# -- private names

# What is reached for that begins with an underscore and belongs to something else, by module.
FOREIGN_NAMES = {
    "engines/counting.py": {"torch.utils._python_dispatch.TorchDispatchMode", "func._schema"},
    "workbench/tui/compositor.py": {
        *(f"textual._compositor.{name}" for name in ("ChopsUpdate", "CompositorUpdate", "LayoutUpdate")),
        "self._file",
        "self._queue",
        "console._color_system",
        "app._filters",
    },
}
# These begin with one and are documented all the same.
PUBLIC = {"_exit", "_xoptions", "_replace", "_asdict", "_fields"}


def is_private(name: str) -> bool:
    """Whether a name, with what it stands in, has a private part."""
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def own_names(tree: ast.Module) -> set[str]:
    """Names that a module defines itself, at its top or in its classes, also as attributes of `self`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def foreign_names(tree: ast.Module) -> set[str]:
    """Private names that a module uses and does not define."""
    own = own_names(tree) | PUBLIC
    found = {name for name in imported(tree).values() if is_private(name) and name.rpartition(".")[2] not in own}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            found.add(ast.unparse(node))
    return found


def test_private_names_of_libraries_are_used_where_it_says_so_and_nowhere_else() -> None:
    found = {name_of(path): foreign_names(tree_of(path)) for path in modules(*PACKAGES)}
    assert {path: names for path, names in found.items() if names} == FOREIGN_NAMES


@cache
def names_of_self(of: Any) -> set[str]:
    """Private names of a class: those it defines, and those it reads or sets on `self`."""
    found = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(of)))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls", "super()"):
            found.add(node.attr)
    return {name for name in found if name.startswith("_") and not name.startswith("__")}


def screen_modules() -> list[ModuleType]:
    """The modules of the screen."""
    names = [name_of(path).removesuffix(".py").removesuffix("/__init__") for path in modules("workbench/tui")]
    return [importlib.import_module(name.replace("/", ".")) for name in names]


def test_only_the_compositor_takes_the_place_of_a_private_name_of_textual() -> None:
    """A name of ours that Textual has too would be called by it, or lose it a value, and nobody would be told."""
    clashes = {}
    for module in screen_modules():
        classes: list[Any] = [found for found in vars(module).values() if inspect.isclass(found)]
        for ours in classes:
            if ours.__module__ == module.__name__:
                theirs = [names_of_self(base) for base in ours.__mro__ if base.__module__.startswith("textual.")]
                if clash := names_of_self(ours) & set().union(*theirs):
                    clashes[f"{module.__name__}.{ours.__name__}"] = clash
    ours = "workbench.tui.compositor"
    assert clashes == {f"{ours}.DiffingApp": {"_display"}, f"{ours}._Writer": {"_queue", "_file"}}


# -- descriptions and sizes


def undescribed(body: list[ast.stmt], above: str) -> list[str]:
    """Public classes and functions without a docstring; what stands inside a function is its own affair."""
    found = []
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                found.append(f"{above}.{node.name}")
            if isinstance(node, ast.ClassDef):
                found += undescribed(node.body, f"{above}.{node.name}")
        elif isinstance(node, ast.If | ast.Try):
            found += undescribed(node.body, above)
    return found


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=name_of)
def test_everything_public_says_what_it_is_for(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree)
    assert undescribed(tree.body, path.stem) == []


def test_a_module_of_the_screen_fits_a_head() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules("workbench/tui")}
    assert {path: length for path, length in lengths.items() if length > 450} == {}


def test_every_folder_of_code_is_a_package() -> None:
    """Without `__init__.py` a folder is left out of some installations."""
    folders = {path.parent for path in modules(*PACKAGES)}
    assert [name_of(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []
    assert ROOT / "workbench" in folders

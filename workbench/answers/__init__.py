"""The kinds of answer: each reads what was typed, checks it, and says why it is wrong.

Adding a kind is a module here, a part in `workbench.spec.exercise`, and a line in the table below.
"""

from __future__ import annotations

import importlib

from workbench.answers.verdict import Kind

# Where each kind is implemented; imported when it is first needed.
_KINDS = {
    "tensor": "tensor:Tensor",
    "number": "tensor:Number",
    "choice": "choice:Choice",
    "prediction": "choice:Prediction",
    "sequences": "sequences:Sequences",
    "complexity": "complexity:Complexity",
    "patch": "patch:Patch",
}


def kind_named(name: str) -> Kind:
    """The kind of that name.

    Raises:
        KeyError: if there is none.
    """
    module, _, cls = _KINDS[name].partition(":")
    kind: Kind = getattr(importlib.import_module(f"{__name__}.{module}"), cls)()
    return kind


def kind_names() -> list[str]:
    """All kinds."""
    return list(_KINDS)

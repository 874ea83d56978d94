"""`workbench schema`: the JSON Schema of an exercise file, for editors."""

from __future__ import annotations

import json
from argparse import Namespace

from workbench.cli import FINE
from workbench.cli.output import write
from workbench.spec import exercise_schema


def main(options: Namespace) -> int:
    """Print the schema."""
    del options
    write(json.dumps(exercise_schema(), indent=2) + "\n")
    return FINE

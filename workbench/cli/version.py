"""`workbench --version`."""

from __future__ import annotations

from argparse import Namespace

from workbench import __version__
from workbench.cli import FINE
from workbench.cli.output import print_line


def main(options: Namespace) -> int:
    """Print the version."""
    del options
    print_line(f"workbench {__version__}")
    return FINE

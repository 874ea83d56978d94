"""`python -m workbench` is `workbench`."""

from __future__ import annotations

import os
import sys

# Python puts the current folder first. Where the package does not come from there, a file of the student's called
# random.py is not ours to import.
if not sys.flags.safe_path and sys.path[0] != os.path.dirname(os.path.dirname(os.path.abspath(__file__))):
    del sys.path[0]

from workbench.cli import main

if __name__ == "__main__":
    sys.exit(main())

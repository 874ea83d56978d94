"""Where a student's code runs: in a process of its own, with limits, and with nothing to gain from lying.

What it computes comes out as plain arrays; whether they are right is decided elsewhere.
"""

from __future__ import annotations

from workbench.sandbox.runner import LEVEL, LEVEL_NAME, Outcome, Program, run

__all__ = ["LEVEL", "LEVEL_NAME", "Outcome", "Program", "run"]

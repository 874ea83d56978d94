"""`workbench` without a command: the screen, where there is one."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

from workbench.cli import UNUSABLE, UsageError
from workbench.cli.output import is_unicode, print_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace


def main(options: Namespace | None) -> int:
    """Start the screen; on a terminal that cannot hold one, say so and list what there is."""
    reason = unfit()
    if reason:
        from workbench.cli import listing

        print_line(f"workbench: {reason}; `workbench list`, `show`, `check` and `run` do the same", to=sys.stderr)
        listing.main(SimpleNamespace(topic=None, assignment=None, json=False))
        return UNUSABLE
    # Read when Textual is imported. Animation costs a slow link ten times the bytes.
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    from workbench.tui.app import WorkbenchApp

    theme = (options and options.theme) or ""
    app = WorkbenchApp(
        theme=theme,
        ascii_only=bool(options and options.ascii) or not locale_is_unicode(),
        no_colour="NO_COLOR" in os.environ,
    )
    if theme and theme not in app.themes:
        raise UsageError(f"there is no theme '{theme[:40]}'; there are {', '.join(app.themes)}")
    try:
        status = app.run()
    finally:
        app.workplace.close()
    return status if isinstance(status, int) else 0


def unfit() -> str:
    """Why this terminal cannot hold the screen, "" if it can."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return "the screen needs a terminal"
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        return f"TERM={os.environ.get('TERM', '')} cannot place a cursor"
    return ""


def locale_is_unicode() -> bool:
    """Whether the locale says that the terminal takes UTF-8.

    In the C locale Python writes UTF-8 of its own accord; the terminal need not understand it.
    """
    forced = "PYTHONUTF8" in os.environ or "utf8" in sys._xoptions  # noqa: SLF001
    return is_unicode() and (not sys.flags.utf8_mode or forced)

"""A theme as the screen uses it: rich styles by role for what we draw, variables for what Textual draws."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from rich.color import Color
from rich.style import Style
from textual.theme import BUILTIN_THEMES
from textual.theme import Theme as TextualTheme

from workbench import themes

if TYPE_CHECKING:
    from workbench.figures.look import Look
    from workbench.statement import Ink as StatementInk


class Ink:
    """One theme, in one of the two character sets."""

    def __init__(self, theme: themes.Theme, ascii_only: bool = False) -> None:
        self.theme = theme
        self.ascii_only = ascii_only

    @cached_property
    def text(self) -> Style:
        """What is read."""
        return self._style(self.theme.screen["text"])

    @cached_property
    def muted(self) -> Style:
        """What stands back."""
        return self._style(self.theme.screen["muted"], dim=True if self.theme.colours != "full" else None)

    @cached_property
    def primary(self) -> Style:
        """Headings and keys."""
        return self._style(self.theme.screen["primary"], bold=True)

    @cached_property
    def accent(self) -> Style:
        """What is marked."""
        return self._style(self.theme.screen["accent"], bold=True if self.theme.colours == "none" else None)

    @cached_property
    def bar(self) -> Style:
        """The bars at top and bottom."""
        if self.theme.colours == "full":
            return self._style(self.theme.screen["text"], self.theme.screen["panel"])
        return Style(reverse=True)

    @cached_property
    def bar_key(self) -> Style:
        """A key in a bar."""
        if self.theme.colours == "full":
            return self._style(self.theme.screen["primary"], self.theme.screen["panel"], bold=True)
        return Style(reverse=True, bold=True)

    @cached_property
    def cursor(self) -> Style:
        """The line that the cursor is on."""
        if self.theme.colours == "full":
            return self._style(self.theme.screen["cursor_text"], self.theme.screen["cursor"], bold=True)
        return Style(reverse=True)

    def status(self, status: str) -> Style:
        """The style of a verdict or of progress."""
        colours = self.theme.screen
        roles = {
            "correct": colours["success"],
            "done": colours["success"],
            "partial": colours["warning"],
            "partly": colours["warning"],
            "undecided": colours["warning"],
            "wrong": colours["error"],
            "broken": colours["error"],
            "unreadable": colours["warning"],
            "error": colours["error"],
        }
        return self._style(roles.get(status, colours["error"] if status in FAILURES else colours["muted"]), bold=True)

    def _style(
        self, colour: str, background: str | None = None, *, bold: bool | None = None, dim: bool | None = None
    ) -> Style:
        return Style(color=_rich(colour), bgcolor=_rich(background) if background else None, bold=bold, dim=dim)

    @cached_property
    def look(self) -> Look:
        """How figures are drawn."""
        from workbench.figures.look import Look

        plot = self.theme.plot
        depth = {"full": "full", "ansi": "16", "none": "none"}[self.theme.colours]
        return Look(
            palette=tuple(plot["palette"]),
            ramp=tuple(plot["ramp"]),
            muted=_name(self.theme.screen["muted"]),
            text=_name(self.theme.screen["text"]),
            kept=plot["kept"],
            pruned=plot["pruned"],
            best=plot["best"],
            colour=depth,  # type: ignore[arg-type]
            ascii_only=self.ascii_only,
        )

    @cached_property
    def statement(self) -> StatementInk:
        """How statements are drawn."""
        from workbench.statement import Ink as StatementInk

        accent = _name(self.theme.screen["accent"])
        code = "bold" if self.theme.colours == "none" else accent
        return StatementInk(code=code, heading="bold", formula="" if self.theme.colours == "none" else code)

    def textual(self) -> TextualTheme:
        """The theme for Textual's own widgets, under a name of ours."""
        colours = self.theme.screen
        native = self.theme.colours != "full"
        # Themes of the terminal's own colours are styled by rules of their own, with variables of their own.
        given = BUILTIN_THEMES["ansi-dark" if self.theme.dark else "ansi-light"].variables if native else {}
        return TextualTheme(
            name=textual_name(self.theme.name),
            primary=colours["primary"],
            secondary=colours["muted"],
            accent=colours["accent"],
            foreground=colours["text"],
            background=colours["background"],
            surface=colours["surface"],
            panel=colours["panel"],
            boost=colours["surface"],
            success=colours["success"],
            warning=colours["warning"],
            error=colours["error"],
            dark=self.theme.dark,
            ansi=native,
            variables={
                **given,
                "muted": colours["muted"],
                "cursor": colours["cursor"],
                "cursor-text": colours["cursor_text"],
                "input-cursor-background": colours["text"],
                "input-cursor-foreground": colours["background"],
                "input-selection-background": colours["cursor"],
            },
        )


FAILURES = frozenset({"timeout", "out_of_memory", "crashed"})


def textual_name(name: str) -> str:
    """What a theme of ours is called among Textual's."""
    return f"workbench-{name}"


def _name(colour: str) -> str:
    return {"ansi_default": "default"}.get(colour, colour.removeprefix("ansi_"))


def _rich(colour: str) -> Color | None:
    return None if colour == "ansi_default" else Color.parse(_name(colour))

"""An editor for a student's program."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import TextArea

from workbench.files import scratch_folder

if TYPE_CHECKING:
    from workbench.tui.widgets.parts import PartsPane


class Editor(TextArea):
    """A plain text area that indents by four; ctrl+s checks, ctrl+e opens $EDITOR."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s,f8", "submit", "check", show=False),
        Binding("ctrl+e", "external", "$EDITOR", show=False),
    ]

    def __init__(self, text: str) -> None:
        super().__init__(
            text, id="answer", tab_behavior="indent", show_line_numbers=True, soft_wrap=False, compact=True
        )
        self.indent_width = 4
        self.cursor_blink = False

    @property
    def pane(self) -> PartsPane:
        """The pane that the editor stands in."""
        return cast("PartsPane", next(node for node in self.ancestors if node.id == "parts"))

    @on(TextArea.Changed)
    def changed(self) -> None:
        """Tell what stands here now."""
        self.pane.edited(self.text)

    def action_submit(self) -> None:
        """Have the program checked."""
        pane = self.pane
        pane.edited(self.text)
        pane.post_message(pane.Submitted(pane.part.id, self.text))

    def action_external(self) -> None:
        """Edit the program in $EDITOR; when that ends, go on here with what was saved."""
        wanted = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        try:
            with scratch_folder() as folder:
                path = Path(folder, "answer.py")
                path.write_text(self.text, encoding="utf-8")
                command = [*shlex.split(wanted), str(path)]
                with self.app.suspend():
                    subprocess.run(command, check=False)
                self.load_text(path.read_text(encoding="utf-8", errors="replace"))
        except (OSError, ValueError) as error:  # no such program; quotes that do not match
            self.notify(f"{wanted} cannot be started: {error}", severity="error")

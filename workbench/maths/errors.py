"""The one way in which a formula can fail."""

from __future__ import annotations


class Unsupported(ValueError):
    """A formula that cannot be drawn faithfully, so that its LaTeX source should be shown instead.

    Attributes:
        message: What is wrong, as a sentence without a full stop.
        position: Where, as an offset into the source.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message, position)
        self.message = message
        self.position = position

    def __str__(self) -> str:
        return f"{self.message} (at {self.position})"

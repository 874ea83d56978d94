"""The two ways in which a formula may fail: it cannot be read, or the question about it cannot be decided."""

from __future__ import annotations

from typing import Self


class _Marked(ValueError):
    """A sentence for the student, and a place in what she typed."""

    def __init__(self, message: str, position: int, length: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.length = length

    @classmethod
    def over(cls, span: tuple[int, int], message: str) -> Self:
        """The fault of a part of a formula, by the place of that part."""
        start, end = span
        return cls(message, start, max(1, end - start))


class Unreadable(_Marked):
    """The text is no formula of this part: a typing mistake, which costs no attempt.

    `position` and `length` mark a place in what the student typed; `message` is one sentence that says
    what was expected there.
    """

    def __init__(self, message: str, position: int, length: int = 1) -> None:
        super().__init__(message, position, length)


class Undecidable(_Marked):
    """The formula was read, but what was asked about it is beyond the method. Never counts as wrong.

    `position` and `length` mark the part at which the method stops; a length of 0 marks none.
    """

    def __init__(self, message: str, position: int = 0, length: int = 0) -> None:
        super().__init__(message, position, length)

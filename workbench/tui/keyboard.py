"""Keys one after the other.

Textual looks at the next key while the last one still travels from the focused widget up to the app, where
bindings act. Over a link that delivers keys in bunches, what is typed behind `tab` or `/` would then go where
the focus was before. `PatientApp` lets a key arrive, with all that it does, before it looks at the next one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from textual import events
from textual.app import App

if TYPE_CHECKING:
    from textual.dom import DOMNode

T = TypeVar("T")

# A key whose way was cut off, because the widget it was meant for has gone, holds up the others no longer.
PATIENCE_SECONDS = 0.25


class PatientApp(App[T], Generic[T]):
    """An app that takes one key at a time."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._typed: deque[events.Key | events.Paste] = deque()
        self._number = 0  # of the key under way, or of the last one
        self._patience: asyncio.TimerHandle | None = None
        self._afterwards: list[Callable[[], None]] = []

    def when_typed(self, then: Callable[[], None]) -> None:
        """Do something as soon as everything that was typed has done what it does."""
        if self._patience is None:
            then()
        else:
            self._afterwards.append(then)

    async def on_event(self, event: events.Event) -> None:
        """Line up what is typed; everything else goes its way."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed.append(event)
        if self._patience is None:
            await self._take()

    async def _take(self) -> None:
        """Send the next key on its way, and a follower behind it."""
        event = self._typed.popleft()
        first = self.focused or self.screen
        # Made before the key acts: an action may take longer than anybody should wait.
        self._number += 1
        self._patience = asyncio.get_running_loop().call_later(
            PATIENCE_SECONDS, self.call_later, self._arrived, self._number
        )
        await super().on_event(event)
        self._follow(first, self._number)

    def _follow(self, node: DOMNode | None, number: int) -> None:
        """Go through the same queues as the key, from a widget to what it stands in, up to the app."""
        while node is not None and node is not self:
            if node.call_later(self._follow, node.parent, number):
                return
            node = node.parent  # closed already: the key was not held up there either
        self.call_later(self._arrived, number)

    async def _arrived(self, number: int) -> None:
        """That key has done what it does: it is the turn of the next."""
        if self._patience is None or number != self._number:
            return
        self._patience.cancel()
        self._patience = None
        if self._typed:
            await self._take()
            return
        afterwards, self._afterwards = self._afterwards, []
        for then in afterwards:
            then()

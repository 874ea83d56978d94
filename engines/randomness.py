"""Named randomness: a draw depends on (seed, name) and on nothing that was drawn before it."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass


def seed_for(seed: int, name: str) -> int:
    """A 63-bit seed that is a function of (seed, name) alone."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@dataclass(frozen=True)
class Draws:
    """The named random streams of one variant."""

    seed: int

    def stream(self, name: str) -> random.Random:
        """A fresh stream; asking twice for one name gives the same numbers twice."""
        return random.Random(seed_for(self.seed, name))

    def again(self, attempt: int) -> Draws:
        """The streams of the next attempt, for draws that are rejected until they are well posed."""
        return Draws(seed_for(self.seed, f"attempt {attempt}"))

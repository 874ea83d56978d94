"""What the engine on masks may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters


@dataclass(frozen=True)
class TransformerMasks(
    Parameters,
    engine="transformer.masks",
    summary="The three masks of an encoder-decoder, and a test by gradient that nothing leaks",
    dtype="float64",
):
    """One source and one target, each padded at its end."""

    source_length: int = field(5, low=1, high=24, help="columns of the source, pads included")
    source_pads: int = field(2, low=0, high=23, help="pads at the end of the source")
    target_length: int = field(4, low=1, high=24, help="columns of the target, pads included")
    target_pads: int = field(1, low=0, high=23, help="pads at the end of the target")

    def __post_init__(self) -> None:
        faults = [
            Fault((f"{side}_pads",), f"leaves no token: at most {length - 1}")
            for side, length, pads in (
                ("source", self.source_length, self.source_pads),
                ("target", self.target_length, self.target_pads),
            )
            if pads >= length
        ]
        if faults:
            raise BadData(faults)

"""What the engine on induction heads may be asked."""

from __future__ import annotations

from dataclasses import dataclass

from engines.fields import BadData, Fault, field
from engines.parameters import Parameters


@dataclass(frozen=True)
class Induction(
    Parameters,
    engine="attention_maps.induction",
    summary="Two attention layers learn to continue repeated random sequences: induction heads appear",
):
    """Random tokens, repeated with a period that is drawn anew for every sequence."""

    vocabulary: int = field(32, low=4, high=256, help="different tokens V")
    shortest: int = field(8, low=2, high=64, help="shortest period")
    longest: int = field(24, low=2, high=64, help="longest period")
    length: int = field(48, low=6, high=192, help="tokens of a sequence")
    width: int = field(32, low=8, high=128, help="d_model; one head a layer")
    batch_size: int = field(32, low=1, high=128, help="sequences a step")
    steps: int = field(600, low=1, high=5000, help="training steps at most; it stops when the task is learned")
    learning_rate: float = field(0.01, low=1e-5, high=0.1, help="step size of AdamW")
    control: bool = field(True, help="train a second model on one fixed period")

    def __post_init__(self) -> None:
        if self.shortest >= self.longest:
            raise BadData([Fault(("longest",), f"must be more than the shortest period, {self.shortest}")])
        if self.length < 2 * self.longest:
            raise BadData([Fault(("length",), f"must hold the longest period twice: at least {2 * self.longest}")])

    def peak_bytes(self, itemsize: int) -> int:
        """Maps of both layers, and what their backward pass keeps, beside vectors and logits of every token."""
        batch = max(self.batch_size, 128)  # 128 sequences are looked at
        maps = 2 * batch * self.length**2 * (3 * itemsize + 8 + 8)
        vectors = batch * self.length * (40 * self.width + 4 * self.vocabulary) * itemsize
        return (16 << 20) + maps + vectors

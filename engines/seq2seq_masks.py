"""The three masks of an encoder–decoder, and a test that they hide what they should.

EECS 182, homework 8 (fall 2022), question 1e. Masks are `(queries, keys)`, True where a query may see a key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engines.arrays import Array
from engines.figures import Figure, Heatmap, Table, table
from engines.masks import causal_mask, real_tokens
from engines.parameters.seq2seq_masks import TransformerMasks
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.transformer import Config, EncoderDecoder, initialise

# -- numerics


@dataclass(frozen=True)
class Masks:
    """`encoder` `(n, n)`: the source's pads hidden. `decoder` `(m, m)`: later tokens and the target's pads hidden.

    `cross` `(m, n)`: the source's pads hidden from every target token, and no triangle.
    """

    encoder: Tensor
    decoder: Tensor
    cross: Tensor


def seq2seq_masks(source: Tensor, target: Tensor) -> Masks:
    """The masks for a source `(n,)` and a target `(m,)` that are True at tokens and False at pads."""
    n, m = len(source), len(target)
    return Masks(source.expand(n, n), causal_mask(m, m, target.device) & target, source.expand(m, n))


def grid(mask: Tensor) -> list[str]:
    """Rows of # (seen) and . (hidden)."""
    return ["".join("#" if seen else "." for seen in row) for row in mask.tolist()]


def influence(outputs: Tensor, inputs: Tensor) -> Tensor:
    """Whether an input position has a gradient at an output position: `(m, d)`, `(…, n, d)` → booleans `(m, …, n)`.

    One backward pass for each output position.
    """
    rows = [torch.autograd.grad(output.square().sum(), inputs, retain_graph=True)[0] for output in outputs]
    return torch.stack([row.abs().amax(-1) > 0 for row in rows])


def leaks(model: EncoderDecoder, source_real: Tensor, target_real: Tensor, run: Run) -> tuple[Tensor, Tensor]:
    """What the logits of each target place depend on: source `(m, n)` and target `(m, m)`, by gradient."""
    source = run.randint("source", model.source.tokens.num_embeddings, 1, len(source_real))
    target = run.randint("target", model.target.tokens.num_embeddings, 1, len(target_real))
    x, y = (
        embed(tokens).detach().requires_grad_() for embed, tokens in ((model.source, source), (model.target, target))
    )
    memory = model.encoder(x, key_mask=source_real[None])
    output = model.decoder(y, model.decoder.read(memory), key_mask=target_real[None], memory_mask=source_real[None])
    return influence(output[0], x)[:, 0], influence(output[0], y)[:, 0]


# -- the experiment


@experiment(TransformerMasks)
def transformer_masks(params: TransformerMasks, run: Run) -> Result:
    """The masks, the usual wrong ones, what really influences what, and a row in which everything is hidden."""
    lengths = torch.tensor([params.source_length - params.source_pads, params.target_length - params.target_pads])
    source = real_tokens(lengths[:1], params.source_length)[0].to(run.device)
    target = real_tokens(lengths[1:], params.target_length)[0].to(run.device)
    masks = seq2seq_masks(source, target)
    n, m = len(source), len(target)
    run.progress(0.2, "the masks", _figures(masks)[0])
    config = Config(11, 16, 2, 2, d_ff=16, max_length=max(n, m))
    model = EncoderDecoder(config, config)
    initialise(model, run)
    from_source, from_target = leaks(model, source, target, run)
    run.progress(0.9, "gradients")
    empty = torch.full((1, 3), -torch.inf, device=run.device, dtype=run.dtype).softmax(-1)
    values: dict[str, Any] = {
        "encoder": masks.encoder.to(run.dtype),
        "decoder": masks.decoder.to(run.dtype),
        "cross": masks.cross.to(run.dtype),
        "encoder_grid": grid(masks.encoder),
        "decoder_grid": grid(masks.decoder),
        "cross_grid": grid(masks.cross),
        "source_seen": from_source.to(run.dtype),
        "target_seen": from_target.to(run.dtype),
        "leaks_from_pads": int(from_source[:, ~source].sum()),
        "leaks_from_later": int(from_target.triu(1).sum()),
        "empty_row_softmax_is_nan": bool(empty.isnan().all()),
        # What is drawn wrongly: pads hidden as queries and not as keys; no pads; a triangle in the cross-attention.
        "encoder_pad_rows": masks.encoder.T.to(run.dtype),
        "decoder_without_pads": causal_mask(m, m, run.device).to(run.dtype),
        "decoder_upper": causal_mask(m, m, run.device).T.to(run.dtype),
        "decoder_without_triangle": target.expand(m, m).to(run.dtype),
        "cross_with_triangle": (torch.ones(m, n, device=run.device).tril().bool() & source).to(run.dtype),
        "cross_target_pads": target.unsqueeze(1).expand(m, n).to(run.dtype),
    }
    return Result(values=values, trace=_worked(params, values), figures=(*_figures(masks), _leak_table(values, m)))


def _figures(masks: Masks) -> tuple[Figure, ...]:
    captions = {
        "encoder": "Pads are hidden as keys, whole columns, from every query; what a pad itself reads is not used.",
        "decoder": "The lower triangle without the columns of pads: no target token sees a later one.",
        "cross": "Only the source's pads are hidden: the whole source is there before the target begins.",
    }
    return tuple(
        Heatmap(name, f"{name.capitalize()} mask (dark: seen)", Array.of(getattr(masks, name).float()), caption=caption)
        for name, caption in captions.items()
    )


def _leak_table(values: dict[str, Any], places: int) -> Table:
    rows = [
        (i + 1, grid(values["target_seen"][i : i + 1])[0], grid(values["source_seen"][i : i + 1])[0])
        for i in range(places)
    ]
    return table(
        "leaks",
        "What the output at each target place depends on, by gradient",
        ("place", "target", "source"),
        rows,
        align="rll",
        caption="A # is a gradient that is not 0: no # at a later place or another's pad means that nothing leaks.",
    )


def _worked(params: TransformerMasks, values: dict[str, Any]) -> tuple[Step, ...]:
    def drawn(name: str) -> str:
        return "\n\n```\n" + "\n".join(values[f"{name}_grid"]) + "\n```"

    return (
        Step(
            "encoder",
            f"The source has {params.source_length - params.source_pads} tokens and {params.source_pads} pads. A pad "
            "must not be read, so its *column* is off for every query." + drawn("encoder"),
        ),
        Step(
            "decoder",
            "A target token sees itself and what came before, the lower triangle; pads are off as columns besides."
            + drawn("decoder"),
        ),
        Step(
            "cross",
            "Target tokens are the queries and source tokens the keys: the source's pads are off, and there is no "
            "triangle, for the source is known as a whole." + drawn("cross"),
        ),
        Step(
            "leaks",
            f"Gradients from pads of the source: {values['leaks_from_pads']} places; from later target tokens: "
            f"{values['leaks_from_later']}. A row in which everything is hidden is a softmax of −∞ alone: 0/0, NaN.",
        ),
    )


@draws(TransformerMasks)
def draw_masks(draws: Draws) -> TransformerMasks:
    """Other lengths, at least one pad and two tokens on each side, and sides of different lengths."""
    rng = draws.stream("lengths")
    n = rng.randint(4, 24)
    m = rng.choice([length for length in range(4, 25) if length != n])
    return TransformerMasks(n, rng.randint(1, n - 2), m, rng.randint(1, m - 2))

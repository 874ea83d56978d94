"""The parts of a transformer block, one by one: attention, feed-forward network, normalisation, and their sizes.

EECS 182, homework 8 (fall 2022), questions 1a, 1b and 1d; NYU deep learning, homework 4, questions 1.3 and 1.4.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.arrays import Array
from engines.figures import Bars, Heatmap, Lines, line, table
from engines.masks import real_tokens
from engines.parameters.sublayers import (
    AttentionCode,
    CrossWidths,
    Equivariance,
    FeedForwardNetwork,
    IdenticalQueriesKeys,
    LayerNormalisation,
    ParameterCounts,
)
from engines.randomness import Draws
from engines.registry import draws, experiment
from engines.result import Result, Step
from engines.run import Run
from engines.token_layers import feed_forward, layer_norm
from engines.transformer import (
    Config,
    Decoder,
    Encoder,
    EncoderDecoder,
    MultiHeadAttention,
    attention_logits,
    attention_weights,
    initialise,
    literal_attention,
)

# -- numerics


def feed_forward_convolutions(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """The same as two convolutions of kernel size 1 along the positions, features as channels."""
    hidden = F.conv1d(x.T[None], w1.T[:, :, None], b1).relu()
    return F.conv1d(hidden, w2.T[:, :, None], b2)[0].T


def count(module: nn.Module) -> int:
    """Parameters of a module, shared ones once."""
    return sum(parameter.numel() for parameter in module.parameters())


def attention_parameters(d_model: int, d_memory: int | None = None, *, bias: bool = True) -> int:
    """Query and output d², keys and values d · d_memory each, and four biases of d; the heads do not matter."""
    return 2 * d_model**2 + 2 * d_model * (d_memory or d_model) + 4 * d_model * bias


def feed_forward_parameters(d_model: int, d_ff: int, *, bias: bool = True) -> int:
    """2 · d · d_ff and two biases."""
    return 2 * d_model * d_ff + (d_ff + d_model) * bias


def self_weight_rule(n: int, d: int) -> float:
    """Rule of thumb for the weight of a normal row on itself: e^√d / (e^√d + (N − 1) e^½)."""
    return 1 / (1 + (n - 1) * math.exp(0.5 - math.sqrt(d)))


# -- attention as code


@experiment(AttentionCode)
def attention_code(params: AttentionCode, run: Run) -> Result:
    """Inputs for a student's attention, the right output, and the outputs of the usual slips."""
    b, n, m, d = params.batch, params.queries, params.keys, params.d_key
    q, k, v = run.randn("q", b, 1, n, d), run.randn("k", b, 1, m, d), run.randn("v", b, 1, m, params.d_value)
    lengths = torch.tensor([*[m] * (b - 1), m - params.pads], device=run.device)
    real = real_tokens(lengths, m)
    logits = attention_logits(q, k)
    weights = attention_weights(logits, causal=params.causal, key_mask=real)
    run.progress(0.5, "attention")
    over_queries = logits.softmax(-2)
    values = {
        "inputs": {"q": q[:, 0], "k": k[:, 0], "v": v[:, 0], "key_mask": real.to(run.dtype)},
        "output": literal_attention(q, k, v, causal=params.causal, key_mask=real)[:, 0],
        "weights": weights[:, 0],
        "axis": "keys",
        "sum_over_keys": weights.sum(-1).mean().item(),
        "sums_over_queries": over_queries.sum(-1)[0, 0],
        "unscaled_output": (attention_weights(logits * math.sqrt(d), causal=params.causal, key_mask=real) @ v)[:, 0],
        "unmasked_output": (logits.softmax(-1) @ v)[:, 0],
        "no_padding_output": literal_attention(q, k, v, causal=params.causal)[:, 0],
        "no_causal_output": literal_attention(q, k, v, key_mask=real)[:, 0],
        "wrong_axis_output": (over_queries @ v)[:, 0],
        # Masked after the softmax: rows no longer add up to 1.
        "masked_after_output": (logits.softmax(-1) * (weights > 0) @ v)[:, 0],
    }
    figure = Heatmap(
        "weights",
        "Weights of the last sequence",
        Array.of(weights[-1, 0]),
        scale="sqrt",
        caption="Every row adds up to 1 over the keys that its query may see; hidden keys have weight 0.",
    )
    text = (
        "Scores $QK^\\top/\\sqrt{d}$; hidden ones become $-\\infty$ *before* the softmax, so that they get weight 0 "
        "and the others still add up to 1. The softmax runs over the keys, the last axis: each query's weights sum to "
        f"{values['sum_over_keys']:.6f}. Over the queries nothing has to add up: a softmax along that axis gives rows "
        f"that sum to {_range(over_queries.sum(-1))}."
    )
    return Result(values=values, trace=(Step("attention", text),), figures=(figure,))


def _range(x: Tensor) -> str:
    return f"{x.min():.3f} … {x.max():.3f}"


@draws(AttentionCode)
def draw_attention_code(draws: Draws) -> AttentionCode:
    """Other sizes, all different where they can be, so that a transposed result fails by its shape."""
    rng = draws.stream("sizes")
    causal = rng.random() < 0.5
    n = rng.randint(3, 9)
    m = n if causal else rng.choice([size for size in range(3, 10) if size != n])
    d, w = rng.sample(range(4, 17), 2)
    return AttentionCode(rng.randint(2, 4), n, m, d, w, causal, rng.randint(1, m - 1))


@experiment(IdenticalQueriesKeys)
def identical_qk(params: IdenticalQueriesKeys, run: Run) -> Result:
    """Mean weight of a row on itself for several widths and numbers of rows."""
    name, n, d = params.distribution, params.n, params.d

    def draw(label: str, rows: int, width: int) -> Tensor:
        if name == "normal":
            return run.randn(label, rows, width)
        uniform = torch.rand(rows, width, generator=run.generator(label), dtype=torch.float64)
        return uniform.to(run.device, run.dtype)

    def measured(rows: int, width: int) -> tuple[float, float]:
        repeats = max(1, 2000 // rows)
        diagonal, error = 0.0, 0.0
        for i in range(repeats):
            x, v = draw(f"x {rows} {width} {i}", rows, width), draw(f"v {rows} {width} {i}", rows, width)
            weights = attention_logits(x, x).softmax(-1)
            diagonal += weights.diagonal().mean().item() / repeats
            error += ((weights @ v - v).norm() / v.norm()).item() / repeats
        return diagonal, error

    widths, counts = sorted({4, 16, 64, 256, d}), sorted({10, 100, 1000, n})
    by_width, by_rows = [], []
    for i, width in enumerate(widths):
        by_width.append(measured(n, width)[0])
        run.progress(0.5 * (i + 1) / len(widths), f"d = {width}")
    for i, rows in enumerate(counts):
        by_rows.append(measured(rows, d)[0])
        run.progress(0.5 + 0.5 * (i + 1) / len(counts), f"N = {rows}")
    diagonal, error = measured(n, d)
    x = draw(f"x {n} {d} 0", n, d)
    logits = attention_logits(x, x)
    off = logits[~torch.eye(n, dtype=torch.bool, device=run.device)]
    values = {
        "self_weight": diagonal,
        "output_error": error,
        "self_weight_by_width": by_width,
        "self_weight_by_rows": by_rows,
        "rule": self_weight_rule(n, d),
        "self_score": logits.diagonal().mean().item(),
        "other_score_sd": off.std().item() if n > 2 else 0.0,
        "other_score_mean": off.mean().item(),
    }
    text = (
        f"A row's score with itself is $|q|^2/\\sqrt d$, here {values['self_score']:.2f}; with another row it is on "
        f"average {values['other_score_mean']:.2f} with standard deviation {values['other_score_sd']:.2f}, "
        "not close to 0. For zero-mean entries the map is close to the identity only where "
        f"$e^{{\\sqrt d}}$ is much larger than N: the weight on itself is {diagonal:.3f} for d = {d} and N = {n}. With "
        "entries in [0, 1) all scores are near d/4 over √d, and it never gets there at such widths."
    )
    figures = (
        Lines(
            "by_width",
            f"Weight of a row on itself, N = {n}",
            (
                line("measured", [float(w) for w in widths], by_width),
                line("rule for N(0, 1)", [float(w) for w in widths], [self_weight_rule(n, w) for w in widths]),
            ),
            x_label="width d",
            y_label="weight",
            x_scale="log",
            caption="Close to 1 (a map like the identity, output = V) only where the width is large for this N.",
        ),
        Lines(
            "by_rows",
            f"Weight of a row on itself, d = {d}",
            (
                line("measured", [float(c) for c in counts], by_rows),
                line("rule for N(0, 1)", [float(c) for c in counts], [self_weight_rule(c, d) for c in counts]),
            ),
            x_label="rows N",
            y_label="weight",
            x_scale="log",
            caption="More rows share what one row had: the picture of 10 rows does not hold for 1 000.",
        ),
    )
    return Result(values=values, trace=(Step("identical", text),), figures=figures)


@draws(IdenticalQueriesKeys)
def draw_identical_qk(draws: Draws) -> IdenticalQueriesKeys:
    """Sizes for which e^√d and N differ by a factor of 5 at least, so that the answer is clear."""
    for attempt in range(1000):
        rng = draws.again(attempt).stream("sizes")
        n, d = rng.randint(5, 400), rng.randint(4, 128)
        if abs(math.sqrt(d) - math.log(n)) >= math.log(5):
            return IdenticalQueriesKeys(n, d, rng.choice(("normal", "normal", "uniform")))
    raise RuntimeError("no well-posed variant in 1000 draws")


# -- the feed-forward network


@experiment(FeedForwardNetwork)
def feed_forward_network(params: FeedForwardNetwork, run: Run) -> Result:
    """The formula, two convolutions, and position by position: one result."""
    d, h, n = params.d_model, params.d_ff, params.length
    x = run.randn("x", n, d)
    w1, w2 = run.randn("w1", d, h) / math.sqrt(d), run.randn("w2", h, d) / math.sqrt(h)
    b1, b2 = run.randn("b1", h), run.randn("b2", d)
    weights = (w1, b1, w2, b2)
    output = feed_forward(x, *weights)
    run.progress(0.5, "the same as convolutions")
    alone = torch.stack([feed_forward(row[None], *weights)[0] for row in x])
    attention = attention_parameters(d, bias=False)
    values: dict[str, Any] = {
        "inputs": {"x": x, "w1": w1, "b1": b1, "w2": w2, "b2": b2},
        "output": output,
        "convolution_error": (feed_forward_convolutions(x, *weights) - output).abs().max().item(),
        "alone_error": (alone - output).abs().max().item(),
        "parameters": feed_forward_parameters(d, h),
        "parameters_without_bias": feed_forward_parameters(d, h, bias=False),
        "attention_parameters": attention,
        "base_model_parameters": feed_forward_parameters(512, 2048),
        "base_model_attention_parameters": attention_parameters(512, bias=False),
        "linear_output": (x @ w1 + b1) @ w2 + b2,
        "relu_at_the_end": ((x @ w1 + b1) @ w2 + b2).relu(),
    }
    text = (
        f"$\\max(0, xW_1 + b_1)W_2 + b_2$ with $W_1$ of {d} × {h} and $W_2$ of {h} × {d}: 2 · {d} · {h} weights and "
        f"{h} + {d} biases, {values['parameters']} in all. Every position is treated alike and alone (one at a time: "
        f"difference {values['alone_error']:.1e}); so it is two convolutions of kernel size 1 (difference "
        f"{values['convolution_error']:.1e}). The weights are shared by positions, not by layers. In the base model, "
        f"512 → 2048 → 512, it has {values['base_model_parameters']} parameters, twice the "
        f"{values['base_model_attention_parameters']} of the attention beside it."
    )
    figure = Bars(
        "parameters",
        "Parameters of one block",
        ("attention", "feed-forward"),
        ("weights",),
        Array.of([[float(attention), float(values["parameters_without_bias"])]]),
        caption="With d_ff = 4 d the feed-forward network has twice the weights of the attention.",
    )
    return Result(values=values, trace=(Step("feed_forward", text),), figures=(figure,))


@draws(FeedForwardNetwork)
def draw_feed_forward(draws: Draws) -> FeedForwardNetwork:
    """Three different sizes."""
    rng = draws.stream("sizes")
    d, n = rng.sample(range(3, 25), 2)
    return FeedForwardNetwork(d, rng.choice([h for h in range(2 * d, 5 * d) if h != n]), n)


# -- layer normalisation


@experiment(LayerNormalisation)
def layer_normalisation(params: LayerNormalisation, run: Run) -> Result:
    """Each token normalised over its features; and what changes nothing."""
    x = run.tensor(params.tokens)
    y = layer_norm(x, eps=0.0)
    run.progress(0.5, "normalised")
    values: dict[str, Any] = {
        "output": y,
        "means": x.mean(-1),
        "deviations": x.std(-1, correction=0),
        "largest_mean": y.mean(-1).abs().max().item(),
        "variance": y.var(-1, correction=0).mean().item(),
        "batch_difference": (layer_norm(x[:1], eps=0.0) - y[:1]).abs().max().item(),
        "scale_difference": (layer_norm(5 * x, eps=0.0) - y).abs().max().item(),
        "shift_difference": (layer_norm(x + 3, eps=0.0) - y).abs().max().item(),
        "unbiased_output": (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True),
        "not_centred_output": x / x.std(-1, keepdim=True, correction=0),
        "over_all_output": (x - x.mean()) / x.std(correction=0),
        "divided_by_variance": (x - x.mean(-1, keepdim=True)) / x.var(-1, keepdim=True, correction=0),
    }
    rows = [
        f"- token {i}: mean {mean:g}, deviation {sd:.4f} → [{', '.join(f'{z:.4f}' for z in row)}]"
        for i, (mean, sd, row) in enumerate(
            zip(values["means"].tolist(), values["deviations"].tolist(), y.tolist(), strict=True), 1
        )
    ]
    text = (
        "Over the features of *each token*: subtract the mean, divide by the standard deviation (divided by d, not by "
        "d − 1); then a learned gain and bias, here 1 and 0.\n\n" + "\n".join(rows) + "\n\nThe other tokens of the "
        f"batch do not matter (difference {values['batch_difference']:.1e}), nor does multiplying a token by 5 "
        f"({values['scale_difference']:.1e}) or adding 3 to it ({values['shift_difference']:.1e}). In the original "
        "transformer it stands after the residual sum, LN(x + f(x)); in later ones before the sublayer, x + f(LN(x))."
    )
    figure = Heatmap(
        "output", "Normalised tokens", Array.of(y), caption="Every row has mean 0 and variance 1, whatever it was."
    )
    return Result(values=values, trace=(Step("layer_norm", text),), figures=(figure,))


@draws(LayerNormalisation)
def draw_layer_norm(draws: Draws) -> LayerNormalisation:
    """Whole numbers, tokens of different means and spreads, so that normalising over the batch shows."""
    for attempt in range(1000):
        rng = draws.again(attempt).stream("tokens")
        d = rng.randint(3, 5)
        rows = tuple(tuple(float(rng.randint(-5, 9)) for _ in range(d)) for _ in range(rng.randint(2, 3)))
        means = [sum(row) / d for row in rows]
        spreads = [max(row) - min(row) for row in rows]
        if min(spreads) >= 3 and len({round(m, 6) for m in means}) == len(rows) and min(map(abs, means)) >= 0.5:
            return LayerNormalisation(rows)
    raise RuntimeError("no well-posed variant in 1000 draws")


# -- sizes


@experiment(ParameterCounts)
def parameter_counts(params: ParameterCounts, run: Run) -> Result:
    """By formula, and counted on modules whose weights are never made (on torch's meta device)."""
    d, h, v = params.d_model, params.d_ff, params.vocab_size
    sizes = {"d_ff": h, "n_layers": params.n_layers, "max_length": params.max_length, "bias": params.bias}

    def counted(heads: int) -> tuple[int, int]:
        config = Config(v, d, heads, **sizes)  # type: ignore[arg-type]
        with torch.device("meta"):
            return count(MultiHeadAttention(config)), count(Decoder(config))

    attention, network = attention_parameters(d, bias=params.bias), feed_forward_parameters(d, h, bias=params.bias)
    norms, embeddings, last = 2 * 2 * d, (v + params.max_length) * d, 2 * d
    block = attention + network + norms
    model = params.n_layers * block + embeddings + last
    heads = [n for n in (1, 2, 4, 8, 16) if d % n == 0]
    by_heads = []
    for i, n in enumerate(heads):
        by_heads.append(counted(n)[0])
        run.progress(0.8 * (i + 1) / len(heads), f"{n} heads")
    run.progress(0.9, "the whole model")
    counted_attention, counted_model = counted(params.n_heads)
    parts = {"attention": attention, "feed-forward": network, "2 layer norms": norms}
    values = {
        "attention": attention,
        "feed_forward": network,
        "block": block,
        "model": model,
        "embeddings": embeddings,
        "d_head": d // params.n_heads,
        "counted_attention": counted_attention,
        "counted_model": counted_model,
        "attention_by_heads": by_heads,
        "attention_times_heads": attention * params.n_heads,
        "attention_without_output": attention - d * d - d * params.bias,
        "untied_model": model + v * d,
    }
    rows = [
        (name, f"{n:,}")
        for name, n in (*parts.items(), ("one block", block), ("embeddings", embeddings), ("model", model))
    ]
    biases = "with biases" if params.bias else "without biases"
    text = (
        f"Attention has four matrices of {d} × {d} ({biases}): {attention:,}, for any number of heads: "
        f"h heads of d/h dimensions have as many parameters as one of d ({', '.join(f'{n:,}' for n in by_heads)} "
        f"counted for h = {', '.join(map(str, heads))}). Here each of {params.n_heads} heads has {d // params.n_heads} "
        f"dimensions. The feed-forward network has {network:,}. A block: {block:,}; the model with {params.n_layers} "
        f"blocks, tables for {v:,} tokens (used for the output too) and {params.max_length} positions: {model:,}; "
        f"counted: {counted_model:,}."
    )
    figure = table("counts", "Parameters", ("part", "number"), rows, align="lr", caption="The heads do not enter.")
    return Result(values=values, trace=(Step("counts", text),), figures=(figure,))


@draws(ParameterCounts)
def draw_parameter_counts(draws: Draws) -> ParameterCounts:
    """Other sizes; biases stated."""
    rng = draws.stream("sizes")
    heads = rng.choice((2, 4, 8))
    d = heads * rng.choice((8, 16, 32, 48, 64))
    return ParameterCounts(
        d,
        heads,
        d * rng.choice((2, 3, 4)),
        rng.randint(2, 12),
        100 * rng.randint(5, 50),
        64 * rng.randint(1, 8),
        rng.random() < 0.5,
    )


# -- order of the tokens


@experiment(Equivariance)
def permutation(params: Equivariance, run: Run) -> Result:
    """|f(P x) − P f(x)| for an encoder, with positions added, and with a causal mask."""
    n, d = params.length, params.d_model
    config = Config(8, d, 2, 2, d_ff=2 * d, max_length=n)
    encoder, decoder = Encoder(config), Decoder(config)
    for model in (encoder, decoder):
        initialise(model, run)
    x = run.randn("x", 1, n, d)
    places = encoder.embedding.learned
    assert places is not None
    positions = places.weight.detach() * encoder.embedding.scale
    order = torch.randperm(n, generator=run.generator("order")).to(run.device)
    if bool((order == torch.arange(n, device=run.device)).all()):
        order = order.flip(0)
    cases: dict[str, Callable[[Tensor], Tensor]] = {
        "nothing added": encoder.stack,
        "positions": lambda x: encoder.stack(x + positions),
        "causal mask": decoder.stack,
    }
    errors = {}
    with torch.no_grad():
        for i, (name, f) in enumerate(cases.items()):
            errors[name] = (f(x[:, order]) - f(x)[:, order]).abs().max().item()
            run.progress((i + 1) / 3, name)
    values = {"plain": errors["nothing added"], "with_positions": errors["positions"], "causal": errors["causal mask"]}
    text = (
        "Attention is a sum over keys and the feed-forward network looks at one position: neither knows the order. "
        f"Permuting the tokens permutes the output (difference {values['plain']:.1e}). Positions that are added "
        f"({values['with_positions']:.2f}) or a causal mask ({values['causal']:.2f}) break that, as they should."
    )
    rows = [(name, f"{error:.1e}") for name, error in errors.items()]
    figure = table(
        "differences",
        "|f(P x) − P f(x)|, largest entry",
        ("added", "difference"),
        rows,
        align="lr",
        caption="Zero up to rounding without positions: the encoder sees a set and not a sequence.",
    )
    return Result(values=values, trace=(Step("permutation", text),), figures=(figure,))


# -- widths


@experiment(CrossWidths)
def widths(params: CrossWidths, run: Run) -> Result:
    """Shapes of every weight of a decoder block whose encoder is wider or narrower."""
    d_encoder, d_decoder = params.d_encoder, params.d_decoder
    sizes: dict[str, Any] = {"n_heads": 4, "n_layers": 1, "d_ff": 32, "max_length": 16}
    model = EncoderDecoder(Config(11, d_encoder, **sizes), Config(13, d_decoder, **sizes))
    initialise(model, run)
    run.progress(0.5, "a forward pass")
    with torch.no_grad():
        memory = model.encode(run.randint("source", 11, 2, 9))
        logits = model(run.randint("source", 11, 2, 9), run.randint("target", 13, 2, 5))
    shapes = [
        (name.removeprefix("blocks.0."), " × ".join(map(str, parameter.shape)))
        for name, parameter in model.decoder.named_parameters()
        if parameter.dim() == 2
    ]
    crossing = [name for name, _ in shapes if name == "cross.key_value.weight"]
    text = (
        f"The encoder gives vectors of {d_encoder} numbers, the decoder has {d_decoder}. Queries come from the decoder "
        f"and are {d_decoder} wide; keys and values are made from the encoder's output by matrices that take "
        f"{d_encoder} numbers to {d_decoder}. No other layer sees both, so the widths need not agree (unless the two "
        f"share their embeddings). Output of the pass: {tuple(logits.shape)}."
    )
    figure = table(
        "shapes",
        "Matrices of the decoder's block (out × in)",
        ("layer", "shape"),
        shapes,
        caption="Only cross.key_value takes the encoder's width.",
    )
    return Result(
        values={
            "must_agree": "no",
            "crossing": crossing,
            "memory_shape": list(memory.shape),
            "output_shape": list(logits.shape),
            "cross_parameters": attention_parameters(d_decoder, d_encoder),
        },
        trace=(Step("widths", text),),
        figures=(figure,),
    )

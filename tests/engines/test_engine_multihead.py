"""Multi-head attention and the layers beside it against torch's modules. E20 of untrained heads, E32."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from engines.attention import attention_weights, causal_mask, padding_mask
from engines.counting import Watch
from engines.fields import BadData, read
from engines.multihead import (
    Projections,
    merge_heads,
    multi_head_attention,
    multi_head_by_columns,
    multi_head_weights,
    random_projections,
    split_heads,
)
from engines.parameters.multihead import GroupedConvolution, Heads
from engines.parameters.token_layers import FeedForward, LayerNorm
from engines.parameters.untrained_heads import Untrained
from engines.registry import draw, execute
from engines.run import Run
from engines.token_layers import feed_forward, layer_norm

RUN = Run(dtype=torch.float64, seed=5)
F64 = torch.float64


def of_module(module: nn.MultiheadAttention) -> Projections:
    """The weights of torch's layer, whichever way it keeps them."""
    if module.kdim == module.embed_dim:
        q, k, v = (matrix.detach() for matrix in module.in_proj_weight.chunk(3))
    else:
        q, k, v = (p.detach() for p in (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight))
    biases = None
    if module.in_proj_bias is not None:
        b = module.in_proj_bias.chunk(3)
        biases = (b[0].detach(), b[1].detach(), b[2].detach(), module.out_proj.bias.detach())
    return Projections(q, k, v, module.out_proj.weight.detach(), biases)


def module_of(d: int, heads: int, memory: int | None, *, bias: bool) -> nn.MultiheadAttention:
    torch.manual_seed(0)
    module = nn.MultiheadAttention(d, heads, bias=bias, kdim=memory, vdim=memory, batch_first=True, dtype=F64)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4)
    return module


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("memory_width", [None, 12])
@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("masks", ["none", "causal", "padding"])
def test_it_is_torchs_layer(heads: int, memory_width: int | None, masks: str, bias: bool) -> None:
    if masks == "causal" and memory_width:
        return
    module = module_of(8, heads, memory_width, bias=bias)
    layer = of_module(module)
    x = RUN.randn("x", 3, 5, 8)
    memory = RUN.randn("memory", 3, 7, memory_width) if memory_width else x
    lengths = torch.tensor([1, 3, 5])
    pads = padding_mask(lengths, memory.shape[1])
    with torch.no_grad():
        want, weights = module(
            x,
            memory,
            memory,
            key_padding_mask=~pads[:, 0] if masks == "padding" else None,
            attn_mask=~causal_mask(5) if masks == "causal" else None,
            average_attn_weights=False,
        )
    mask, causal = (pads if masks == "padding" else None), masks == "causal"
    assert torch.allclose(multi_head_attention(x, memory, layer, heads, mask=mask, causal=causal), want, atol=1e-12)
    found = multi_head_weights(x, memory, layer, heads, mask=mask, causal=causal)
    assert torch.allclose(found, weights, atol=1e-12)
    assert layer.count() == sum(parameter.numel() for parameter in module.parameters())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 6), st.integers(1, 6), st.integers(1, 5))
def test_columns_head_by_head(heads: int, width: int, length: int, n: int, d_memory: int) -> None:
    """E32: weights multiply on the left, Q_i is d'×n, and one W_O mixes all heads."""
    d = heads * width
    layer = random_projections(RUN, f"columns {d}", d, d_memory, bias=False)
    x, memory = RUN.randn(f"x{d}", length, d), RUN.randn(f"m{d_memory}", n, d_memory)
    want = multi_head_attention(x, memory, layer, heads)
    found = multi_head_by_columns(x.T, memory.T, layer, heads)
    assert found.shape == (d, length)
    assert torch.allclose(found.T, want, rtol=1e-11, atol=1e-12)


def test_splitting_and_merging() -> None:
    x = RUN.randn("x", 2, 5, 12)
    heads = split_heads(x, 3)
    assert heads.shape == (2, 3, 5, 4)
    assert torch.equal(heads[:, 1], x[..., 4:8])
    assert torch.equal(merge_heads(heads), x)


def test_a_row_that_sees_nothing_has_the_bias_alone() -> None:
    layer = random_projections(RUN, "layer", 4, 4, bias=True)
    assert layer.biases is not None
    x = RUN.randn("x", 3, 4)
    out = multi_head_attention(x, x, layer, 2, mask=torch.zeros(3, 3, dtype=torch.bool))
    assert torch.equal(out, layer.biases[3].expand(3, 4))


def test_a_batch_of_masks_gets_an_axis_for_the_heads() -> None:
    layer = random_projections(RUN, "layer", 6, 6, bias=False)
    x = RUN.randn("x", 3, 5, 6)  # as many in the batch as heads: the mask must not land on the heads
    mask = RUN.randn("mask", 3, 5, 5) > -0.5
    found = multi_head_attention(x, x, layer, 3, mask=mask)
    for i in range(3):
        assert torch.allclose(found[i], multi_head_attention(x[i], x[i], layer, 3, mask=mask[i]), atol=1e-12)


def test_gradients_flow_to_all_projections() -> None:
    layer = random_projections(RUN, "layer", 4, 6, bias=False)
    matrices = [matrix.requires_grad_() for matrix in layer.matrices]
    x, memory = RUN.randn("x", 3, 4), RUN.randn("memory", 5, 6)

    def apply(q: Tensor, k: Tensor, v: Tensor, o: Tensor) -> Tensor:
        return multi_head_attention(x, memory, Projections(q, k, v, o), 2)

    assert torch.autograd.gradcheck(apply, matrices)


@pytest.mark.parametrize("heads", [1, 2, 8])
def test_e32_the_number_of_heads_changes_no_parameter_count(heads: int) -> None:
    """16 640 for a width of 64, as in nn.MultiheadAttention."""
    values = execute(Heads(d_model=64, n_heads=heads), Run(dtype=F64)).values
    assert values["parameters"] == 16_640
    assert values["parameters_without_bias"] == 4 * 64**2
    assert values["d_head"] == 64 // heads
    assert values["shape_of_head_query"] == [64 // heads, 5]


def test_multiply_adds_are_what_is_counted() -> None:
    params = Heads(d_model=12, n_heads=3, length=5, memory_length=7, memory_width=4, bias=False)
    layer = random_projections(RUN, "layer", 12, 4, bias=False)
    x, memory = RUN.randn("x", 5, 12), RUN.randn("memory", 7, 4)
    with FlopCounterMode(display=False) as counter:
        q, k, v = (split_heads(projected, 3) for projected in layer.apply(x, memory))
        F.linear(merge_heads(attention_weights(q, k) @ v), layer.output)
    assert counter.get_total_flops() == 2 * execute(params, Run(dtype=F64)).values["multiply_adds"]


def test_self_attention_takes_keys_from_x_and_cross_attention_from_the_memory() -> None:
    self_values = execute(Heads(), Run(dtype=F64)).values
    assert self_values["memory"] == self_values["x"]
    cross = execute(Heads(memory_length=9, memory_width=12), Run(dtype=F64)).values
    assert cross["weights"].shape == (2, 5, 9)
    assert cross["w_k"].shape == (8, 12)
    assert cross["output"].shape == (5, 8)


def test_slips_land_elsewhere() -> None:
    for seed in range(1, 31):
        params = draw("multihead.heads", seed)
        values = execute(params, Run(dtype=F64, seed=seed)).values
        right = torch.tensor(values["output"].flat())
        for slip in ("without_output_projection", "one_head_output"):
            assert float((torch.tensor(values[slip].flat()) - right).abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"n_heads": 3}, "n_heads"),
        ({"mask": "causal", "memory_length": 4}, "mask"),
        ({"memory_width": 4}, "memory_width"),
        ({"mask": "padding", "padded": 6}, "padded"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], place: str) -> None:
    with pytest.raises(BadData) as refused:
        read(Heads, change)
    assert [fault.path[0] for fault in refused.value.faults] == [place]


def test_no_run_of_a_large_layer_takes_more_than_it_announces() -> None:
    for params in (
        Heads(d_model=512, n_heads=32, length=256),
        Untrained(d_model=768, layers=2),
        FeedForward(d_model=1024, d_ff=2048),
    ):
        with Watch() as watch:
            execute(params, Run(dtype=torch.float32))
        assert watch.peak_bytes <= params.peak_bytes(4)


# -- before training


@pytest.mark.parametrize(("init", "sd"), [("bert", 0.3072), ("linear", 1 / 3)])
def test_e20_untrained_heads_are_nearly_uniform_and_not_equal(init: str, sd: float) -> None:
    """n = 12: entropy 2.44 of 2.485, logits of sd .31 or .33, weights around but not at 1/12."""
    params = read(Untrained, {"init": init, "layers": 2})
    values = execute(params, Run(seed=2)).values
    assert values["predicted_logit_sd"] == pytest.approx(sd, abs=1e-4)
    assert values["logit_sd"].tolist() == pytest.approx(sd, rel=0.06)
    assert values["entropy"] == pytest.approx(values["predicted_entropy"], abs=0.01)
    assert 0.97 < values["entropy_share"] < 0.99
    assert values["smallest_weight"].tolist() < 0.04
    assert values["largest_weight"].tolist() > 0.17


# -- groups


def test_e32_groups_are_block_diagonal() -> None:
    values = execute(GroupedConvolution(), Run(dtype=F64)).values
    assert (values["parameters_grouped"], values["parameters_full"]) == (96, 192)
    assert values["difference"].tolist() < 1e-14
    assert values["mix_difference"].tolist() < 1e-13
    with pytest.raises(BadData, match="does not divide"):
        read(GroupedConvolution, {"groups": 3})


# -- the network, the normalisation


def test_feed_forward_is_two_convolutions_of_kernel_1() -> None:
    values = execute(FeedForward(), Run()).values
    assert values["parameters"] == 2_099_712
    assert values["attention_parameters"] == 1_048_576
    assert values["difference"].tolist() < 1e-4
    assert values["influence_on_others"].tolist() == 0
    w1, b1, w2, b2 = RUN.randn("w1", 3, 5), RUN.randn("b1", 5), RUN.randn("w2", 5, 3), RUN.randn("b2", 3)
    x = RUN.randn("x", 2, 4, 3)
    first, second = nn.Linear(3, 5, dtype=F64), nn.Linear(5, 3, dtype=F64)
    with torch.no_grad():
        for layer, w, b in ((first, w1, b1), (second, w2, b2)):
            layer.weight.copy_(w.T)
            layer.bias.copy_(b)
        assert torch.allclose(feed_forward(x, w1, b1, w2, b2), second(first(x).relu()), atol=1e-13)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 9), st.sampled_from([(), (1,), (2, 3)]), st.sampled_from([1e-3, 1.0, 1e4]))
def test_layer_norm_is_torchs(width: int, shape: tuple[int, ...], factor: float) -> None:
    x = 3 + factor * RUN.randn(f"x{width}", *shape, width)
    gain, bias = RUN.randn("gain", width), RUN.randn("bias", width)
    assert torch.allclose(layer_norm(x, gain, bias), F.layer_norm(x, (width,), gain, bias), rtol=1e-9, atol=1e-10)


def test_layer_norm_by_hand() -> None:
    values = execute(LayerNorm(tokens=((1.0, 3.0, 5.0, 7.0), (2.0, 2.0, 6.0, 6.0)), eps=0.0), Run(dtype=F64)).values
    assert values["means"].tolist() == [4, 4]
    assert values["variances"].tolist() == [5, 4]
    assert values["unbiased_variances"].tolist() == pytest.approx([20 / 3, 16 / 3])
    assert values["output"].tolist()[1] == [-1, -1, 1, 1]
    assert values["output"].tolist()[0] == pytest.approx(
        [-3 / math.sqrt(5), -1 / math.sqrt(5), 1 / math.sqrt(5), 3 / math.sqrt(5)]
    )
    assert values["batch_influence"].tolist() == 0
    assert values["scale_influence"].tolist() < 1e-14
    with pytest.raises(BadData, match="nothing to divide by"):
        LayerNorm(tokens=((1.0, 1.0, 1.0, 1.0), (1.0, 2.0, 1.0, 1.0)), eps=0.0)


def test_slips_of_layer_norm_land_elsewhere() -> None:
    for seed in range(1, 41):
        values = execute(draw("sublayers.layer_norm", seed), Run(dtype=F64)).values
        right = torch.tensor(values["output"].flat())
        for slip in ("over_tokens", "unbiased", "by_variance"):
            assert float((torch.tensor(values[slip].flat()) - right).abs().max()) > 0.01

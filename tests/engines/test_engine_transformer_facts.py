"""Positions, masks, the parts of a block and patches: published figures, closed forms, and the errata of the sheets."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from engines.fields import BadData
from engines.parameters.norm_placement import NormPlacement
from engines.parameters.positions import ShiftMatrix
from engines.parameters.seq2seq_masks import TransformerMasks
from engines.parameters.sublayers import (
    AttentionCode,
    CrossWidths,
    Equivariance,
    FeedForwardNetwork,
    IdenticalQueriesKeys,
    LayerNormalisation,
    ParameterCounts,
)
from engines.parameters.vit import DigitsVit, PatchEmbedding
from engines.positions import shift_matrix, sinusoidal
from engines.registry import draw, execute
from engines.run import Run
from engines.token_layers import layer_norm
from engines.vit import embed_convolved, embed_unfolded, patches


def values(params: Any, seed: int = 0) -> dict[str, Any]:
    return execute(params, Run(dtype=torch.float64, seed=seed)).values


# -- positions


@pytest.mark.parametrize("d_model", [2, 4, 64])
@pytest.mark.parametrize("shift", [1, 7])
def test_erratum_46_the_block_is_for_sin_cos_and_its_transpose_for_cos_sin(d_model: int, shift: int) -> None:
    t = torch.arange(200)
    for order in ("sin-cos", "cos-sin"):
        p = sinusoidal(t, d_model, order=order)
        m = shift_matrix(d_model, shift, order=order)
        assert torch.allclose(p @ m.T, sinusoidal(t + shift, d_model, order=order), atol=1e-12)
        assert torch.allclose(torch.linalg.matrix_power(shift_matrix(d_model, order=order), shift), m, atol=1e-12)
        assert torch.allclose(m @ m.T, torch.eye(d_model, dtype=m.dtype), atol=1e-14)
    assert torch.equal(shift_matrix(d_model, shift, order="cos-sin"), shift_matrix(d_model, shift).T)


def test_the_transposed_shift_is_wrong_by_the_published_amount() -> None:
    """E46: 1.68 = 2 sin 1, whatever the width."""
    for d_model in (4, 8, 64):
        found = values(ShiftMatrix(d_model=d_model))
        assert found["error"] < 1e-12
        assert found["transposed_error"] == pytest.approx(2 * math.sin(1), abs=2e-3)
        assert found["gram_spread"] < 1e-12


def test_positions_by_hand_and_odd_widths() -> None:
    p = sinusoidal(torch.tensor([3]), 5)[0]
    want = [
        math.sin(3),
        math.cos(3),
        math.sin(3 * 10_000**-0.4),
        math.cos(3 * 10_000**-0.4),
        math.sin(3 * 10_000**-0.8),
    ]
    assert p.tolist() == pytest.approx(want, abs=1e-15)
    with pytest.raises(ValueError, match="odd"):
        shift_matrix(5)
    with pytest.raises(BadData, match="odd"):
        ShiftMatrix(d_model=5)


# -- masks


def test_the_published_masks() -> None:
    found = values(TransformerMasks())
    assert found["encoder_grid"] == ["###.."] * 5
    assert found["decoder_grid"] == ["#...", "##..", "###.", "###."]
    assert found["cross_grid"] == ["###.."] * 4
    assert found["empty_row_softmax_is_nan"]


@pytest.mark.parametrize("seed", range(1, 6))
def test_nothing_leaks_and_wrong_masks_differ(seed: int) -> None:
    params = draw("transformer.masks", seed)
    assert isinstance(params, TransformerMasks)
    found = values(params, seed)
    assert found["leaks_from_pads"] == found["leaks_from_later"] == 0
    real = params.source_length - params.source_pads
    assert found["source_seen"].tolist() == [[1.0] * real + [0.0] * params.source_pads] * params.target_length
    for right, wrong in (
        ("encoder", "encoder_pad_rows"),
        ("decoder", "decoder_without_pads"),
        ("decoder", "decoder_upper"),
        ("decoder", "decoder_without_triangle"),
        ("cross", "cross_with_triangle"),
        ("cross", "cross_target_pads"),
    ):
        assert found[right].tolist() != found[wrong].tolist()


# -- attention


@pytest.mark.parametrize("seed", range(5))
def test_attention_code_and_its_slips(seed: int) -> None:
    params = AttentionCode() if seed == 0 else draw("transformer.attention", seed)
    assert isinstance(params, AttentionCode)
    found = values(params, seed)
    x = {name: torch.tensor(found["inputs"][name].tolist()).double() for name in ("q", "k", "v", "key_mask")}
    mask = x["key_mask"].bool()[:, None, :].expand(-1, params.queries, -1)
    mask = mask.tril() if params.causal else mask
    want = nn.functional.scaled_dot_product_attention(x["q"], x["k"], x["v"], attn_mask=mask)
    assert found["output"].flat() == pytest.approx(want.flatten().tolist(), abs=1e-6)
    assert found["sum_over_keys"] == pytest.approx(1)
    for slip in ("unscaled", "unmasked", "wrong_axis", "masked_after", "no_padding"):
        assert found[f"{slip}_output"].flat() != pytest.approx(found["output"].flat(), abs=1e-3)


@pytest.mark.parametrize(
    ("n", "d", "distribution", "want", "within"),
    [
        (10, 4, "normal", 0.368, 0.02),
        (10, 16, "normal", 0.737, 0.02),
        (10, 64, "normal", 0.989, 0.005),
        (10, 64, "uniform", 0.177, 0.01),
    ],
)
def test_erratum_18_a_map_close_to_the_identity(n: int, d: int, distribution: Any, want: float, within: float) -> None:
    found = values(IdenticalQueriesKeys(n=n, d=d, distribution=distribution))
    assert found["self_weight"] == pytest.approx(want, abs=within)


def test_erratum_18_other_scores_are_not_close_to_0() -> None:
    found = values(IdenticalQueriesKeys(n=400, d=64))
    assert found["other_score_sd"] == pytest.approx(1, abs=0.03)
    assert found["self_score"] == pytest.approx(8, abs=0.3)


# -- the parts of a block


def test_the_feed_forward_network_is_two_convolutions() -> None:
    found = values(FeedForwardNetwork())
    assert found["convolution_error"] < 1e-13
    assert found["alone_error"] < 1e-13
    assert found["base_model_parameters"] == 2_099_712
    assert found["base_model_attention_parameters"] == 1_048_576


def test_erratum_47_layer_norm_is_per_token_over_features() -> None:
    found = values(LayerNormalisation())
    x = torch.tensor(LayerNormalisation().tokens, dtype=torch.float64)
    want = nn.functional.layer_norm(x, (4,), eps=0.0)
    assert found["output"].flat() == pytest.approx(want.flatten().tolist(), abs=1e-12)
    assert max(found[name] for name in ("batch_difference", "scale_difference", "shift_difference")) < 1e-12
    norm = nn.LayerNorm(4).double()
    norm.weight.data, norm.bias.data = torch.arange(4.0).double(), torch.ones(4).double()
    assert torch.allclose(layer_norm(x, norm.weight, norm.bias), norm(x), atol=1e-12)


def test_erratum_47_as_many_parameters_for_any_number_of_heads() -> None:
    found = values(ParameterCounts(d_model=64, n_heads=8))
    assert set(found["attention_by_heads"]) == {16_640}
    assert found["d_head"] == 8


@pytest.mark.parametrize("seed", range(4))
def test_parameters_by_formula_are_those_counted(seed: int) -> None:
    params = ParameterCounts() if seed == 0 else draw("transformer.parameters", seed)
    found = values(params)
    assert found["attention"] == found["counted_attention"]
    assert found["model"] == found["counted_model"]


def test_permutations() -> None:
    found = values(Equivariance())
    assert found["plain"] < 1e-12
    assert found["with_positions"] > 0.1
    assert found["causal"] > 0.1


def test_only_the_memorys_keys_and_values_know_the_encoders_width() -> None:
    found = values(CrossWidths())
    theirs = nn.MultiheadAttention(64, 4, kdim=48, vdim=48)
    assert found["cross_parameters"] == sum(p.numel() for p in theirs.parameters())
    assert found["output_shape"] == [2, 5, 13]


def test_pre_norm_trains_where_post_norm_does_not() -> None:
    found = execute(NormPlacement(), Run()).values
    assert found["pre_loss"] < 1.6
    assert found["post_loss"] > found["pre_loss"] + 0.5


# -- vision transformers


@pytest.mark.parametrize(("size", "patch", "channels"), [(4, 1, 1), (6, 3, 2), (8, 2, 3), (5, 5, 1)])
def test_patches_times_a_matrix_are_a_convolution(size: int, patch: int, channels: int) -> None:
    run = Run(dtype=torch.float64)
    image = run.randn("image", 2, channels, size, size)
    weight, bias = run.randn("weight", 7, channels, patch, patch), run.randn("bias", 7)
    want = nn.functional.unfold(image, patch, stride=patch).mT
    assert torch.equal(patches(image, patch), want)
    assert torch.allclose(embed_unfolded(image, weight, bias), embed_convolved(image, weight, bias), atol=1e-12)


def test_erratum_33_the_table_of_positions_is_learned() -> None:
    found = values(PatchEmbedding())
    assert found["patches"] == 196
    assert found["length"] == 197
    assert found["positions"] == 151_296
    assert found["difference"] < 1e-10
    with pytest.raises(BadData, match="no whole number"):
        PatchEmbedding(image_size=10, patch_size=3)


def test_a_vision_transformer_needs_positions() -> None:
    found = execute(DigitsVit(steps=150), Run()).values
    assert found["accuracy"] > 0.85
    assert found["accuracy"] > found["accuracy_without_positions"] + 0.1

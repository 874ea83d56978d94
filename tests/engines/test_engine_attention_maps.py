"""Heads and their patterns, induction, agreement, two senses, gradients of logits, and weights of the user's own."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engines.grammar import CLS, MASK, SEP, VOCABULARY, read_text, sentences
from engines.grammar_models import hide_words, toy_model
from engines.heads import baselines, first_token_baseline, label, patterns, scores, share, without_head
from engines.induction import repeated
from engines.local_files import NoWeights, find_weights, size_of
from engines.masks import causal_mask
from engines.parameters.attention_maps import Agreement, Text
from engines.parameters.induction import Induction
from engines.parameters.two_senses import TwoSenses
from engines.parameters.untrained import LogitGradients, Untrained
from engines.registry import execute
from engines.result import Result
from engines.run import Run
from engines.transformer import Record


def result(params: Any, seed: int = 0) -> Result:
    return execute(params, Run(seed=seed))


# -- patterns


TOKENS = torch.tensor([[0, 5, 6, 5, 7, 6, 1], [0, 5, 5, 5, 5, 5, 1]])


def weights_on(wanted: Tensor) -> Tensor:
    """All weight of a query, spread over the wanted keys: `(1, batch, 1, n, n)`."""
    spread = wanted.double()
    return (spread / spread.sum(-1, keepdim=True).clamp(min=1))[None, :, None]


@pytest.mark.parametrize("name", ["previous", "next", "itself", "first", "special", "same", "induction"])
def test_a_head_that_follows_a_pattern_has_share_1_and_its_name(name: str) -> None:
    weights = weights_on(patterns(TOKENS, (0, 1))[name])
    found = scores(weights, TOKENS, causal=False, special=(0, 1))
    assert float(found[name]) == pytest.approx(1)
    even = baselines(TOKENS, causal=False, special=(0, 1))
    assert label({key: float(value) for key, value in found.items()}, even) == name


def test_shares_by_hand() -> None:
    torch.manual_seed(0)
    weights = torch.rand(2, 3, 7, 7).tril().softmax(-1).tril()
    wanted, seen = patterns(TOKENS, (0,))["induction"], causal_mask(7, 7)
    for head in range(3):
        on = []
        for b in range(2):
            for i in range(7):
                keys = [j for j in range(1, i + 1) if TOKENS[b, j - 1] == TOKENS[b, i]]
                if keys:
                    on.append(sum(float(weights[b, head, i, j]) for j in keys))
        assert float(share(weights, wanted, seen)[head]) == pytest.approx(sum(on) / len(on))


def test_erratum_21_an_even_causal_head_already_gives_the_first_token_the_most() -> None:
    for n, want in ((5, 0.457), (10, 0.293), (20, 0.180)):
        even = torch.ones(n, n).tril() / torch.arange(1, n + 1)[:, None]
        assert first_token_baseline(n) == pytest.approx(float(even.mean(0)[0]))
        assert first_token_baseline(n) == pytest.approx(want, abs=1e-3)
    assert math.isnan(baselines(TOKENS, causal=True)["next"])


def test_a_removed_head_adds_nothing_and_comes_back() -> None:
    run = Run(dtype=torch.float64)
    model: Any = toy_model("gpt", run)
    x = run.randint("x", 20, 2, 8)
    layer = model.stack.blocks[0].attention
    before, state = model(x), layer.output.weight.detach().clone()
    with without_head(layer, 2):
        assert not torch.allclose(model(x), before)
        for i in range(2):
            assert not layer.output.weight[:, 24:36].any(), i
    assert torch.equal(layer.output.weight, state)
    assert torch.equal(model(x), before)


# -- induction


def test_sequences_repeat_with_their_own_period() -> None:
    tokens, period = repeated(torch.Generator().manual_seed(0), 50, 9, 30, (4, 11))
    assert set(period.flatten().tolist()) == set(range(4, 12))
    for row, p in zip(tokens, period.flatten().tolist(), strict=True):
        assert torch.equal(row[p:], row[:-p])


@pytest.fixture(scope="module")
def learned() -> dict[str, Any]:
    return result(Induction()).values


def test_induction_heads_appear_and_both_are_needed(learned: dict[str, Any]) -> None:
    assert learned["accuracy"] > 0.85
    assert learned["induction_score"] > 0.6
    assert learned["induction_score"] > 5 * learned["induction_baseline"]
    assert learned["previous_score"] > 3 * learned["previous_baseline"]
    assert learned["accuracy_without_layer_1"] < 0.3
    assert learned["accuracy_without_layer_2"] < 0.1
    assert learned["visible_at"] <= 250


def test_a_fixed_period_teaches_a_shortcut(learned: dict[str, Any]) -> None:
    """Large weights in the right places, no layer that looks at the previous token, and no use elsewhere."""
    assert learned["fixed_accuracy"] > 0.9
    assert learned["fixed_accuracy_elsewhere"] < 0.5
    assert learned["fixed_induction_score"] > 0.5
    assert learned["fixed_previous_score"] < learned["previous_score"]


# -- the toy language


def test_the_verb_agrees_with_the_first_noun() -> None:
    found = sentences(torch.Generator().manual_seed(0), 300)
    rows = torch.arange(300)
    verbs = found.tokens[rows, found.verb] - VOCABULARY["sees"]
    nouns = found.tokens[:, 2] - VOCABULARY["dog"]
    assert torch.equal(verbs >= 5, found.plural)
    assert torch.equal(nouns >= 5, found.plural)
    assert found.misleading.float().mean().item() == pytest.approx(0.35, abs=0.1)
    far = found.tokens[found.misleading][:, 5] - VOCABULARY["dog"]
    assert torch.equal(far >= 5, ~found.plural[found.misleading])
    masked, hidden = hide_words(found.tokens, torch.Generator().manual_seed(1))
    assert not (hidden & ((found.tokens == CLS) | (found.tokens == SEP))).any()
    assert torch.equal(masked == MASK, hidden)


@pytest.fixture(scope="module")
def gpt() -> dict[str, Any]:
    return result(Agreement()).values


@pytest.fixture(scope="module")
def bert() -> dict[str, Any]:
    return result(Agreement(model="bert", steps=600)).values


@pytest.mark.parametrize("kind", ["gpt", "bert"])
def test_a_head_finds_the_subject(kind: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue(kind)
    assert found["agreement_misleading"] > 0.95
    assert found["agreement_untrained"] == pytest.approx(0.5, abs=0.1)
    assert found["subject_share"] > 0.55
    assert found["distractor_share"] < 0.1
    assert found["subject_share_untrained"] < 0.35


def test_erratum_20_a_gpt_sees_all_earlier_tokens_and_a_bert_looks_forward(
    gpt: dict[str, Any], bert: dict[str, Any]
) -> None:
    assert gpt["future_weight"] == 0
    assert bert["future_weight"] > 0.9
    assert gpt["tokens_looked_at"] > 2
    assert gpt["first_token_baseline"] == pytest.approx(0.293, abs=1e-3)


def test_erratum_20_untrained_heads_are_nearly_even_and_not_even() -> None:
    found = result(Untrained()).values
    assert found["entropy_share"] == pytest.approx(0.983, abs=0.005)
    assert found["logit_sd"] == pytest.approx(0.31, abs=0.03)
    assert found["smallest_weight"] < 0.04
    assert found["largest_weight"] > 0.15


def test_erratum_20_the_size_of_a_gradient_does_not_single_out_the_pair_at_first() -> None:
    found = result(LogitGradients()).values
    assert found["size_untrained"] == pytest.approx(1, abs=0.25)
    assert found["mean_peak"] > 2
    assert found["mean_peak"] > 1.5 * found["mean_untrained"]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_two_senses_of_a_word_part_after_the_first_layer(seed: int) -> None:
    found = result(TwoSenses(), seed).values
    assert found["across_senses"][0] == 0
    assert found["across_senses_output"][0] == 0
    assert found["sense_accuracy"] == 1
    for name in ("within_sense_output", "control_output", "untrained_output"):
        assert found["across_senses_output"][-1] > 3 * found[name][-1]


# -- maps of a text


def test_every_layer_and_head_of_a_text() -> None:
    found = result(Text(steps=5))
    assert found.values["weights"].shape == (2, 4, 10, 10)
    assert [figure.name for figure in found.figures][:2] == ["heads", "map_L1H1"]
    assert len(found.figures) == 9
    assert len(result(Text(steps=5, layer=2)).figures) == 5
    untrained = result(Text(trained=False))
    assert min(untrained.values["evenness"].flat()) > 0.9
    for bad, why in (
        (Text(text="the wug sees"), "wug"),
        (Text(text="the " * 9), "at most"),
        (Text(layer=3), "layer 3"),
    ):
        with pytest.raises(ValueError, match=why):
            result(Text(**{**bad.__dict__, "steps": 1}))
    assert read_text("the dog").tolist() == [CLS, VOCABULARY["the"], VOCABULARY["dog"], SEP]


# -- weights of the user's own


def write(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(json.dumps({}))
    return folder


def test_weights_are_found_in_a_folder_and_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    own = write(tmp_path / "own", "config.json", "model.safetensors")
    assert find_weights(str(own)) == own
    cache = tmp_path / "hf" / "hub"
    cached = write(cache / "models--openai-community--gpt2" / "snapshots" / "abc", "config.json", "model.safetensors")
    assert find_weights("gpt2") == cached
    assert find_weights("openai-community/gpt2") == cached
    assert size_of("gpt2") == 2
    assert size_of("") == size_of("missing") == 0
    assert Text(weights="gpt2").peak_bytes(4) > Text().peak_bytes(4)
    for name in ("missing", "other/gpt2", "*"):
        with pytest.raises(NoWeights, match="nothing is downloaded"):
            find_weights(name)


def test_pickled_weights_are_refused_with_a_mend(tmp_path: Path) -> None:
    with pytest.raises(NoWeights, match=r"pytorch_model.bin, which can carry code .* save_pretrained"):
        find_weights(str(write(tmp_path / "a", "config.json", "pytorch_model.bin")))
    with pytest.raises(NoWeights, match=r"no \.safetensors"):
        find_weights(str(write(tmp_path / "b", "config.json")))
    with pytest.raises(NoWeights, match=r"no config\.json"):
        find_weights(str(write(tmp_path / "c", "model.safetensors")))


def test_a_missing_library_is_said_with_a_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    folder = write(tmp_path / "own", "config.json", "model.safetensors")
    with pytest.raises(NoWeights, match="pip install"):
        result(Text(weights=str(folder)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_maps_of_local_weights(kind: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = saved_model(transformers, kind, tmp_path)
    text = "the dog sees the cat" if kind == "bert" else "the the"
    found = result(Text(weights=str(folder), text=text)).values
    n = len(found["words"])
    assert found["weights"].shape == (2, 2, n, n)
    assert found["weights"].flat() != [0.0] * (4 * n * n)
    rows = torch.tensor(found["weights"].tolist()).sum(-1)
    assert torch.allclose(rows, torch.ones_like(rows), atol=1e-5)
    assert (found["future_weight"] == 0) == (kind == "gpt2")
    again = result(Text(weights=str(folder), text=text, trained=False)).values
    assert again["weights"] != found["weights"]
    assert again["weights"] == result(Text(weights=str(folder), text=text, trained=False)).values["weights"]


def saved_model(transformers: Any, kind: str, folder: Path) -> Path:
    """A tiny model with random weights and a tokenizer, written by `transformers` itself."""
    torch.manual_seed(7)
    if kind == "gpt2":
        letters = ["<|endoftext|>", *"thedogsacĠ"]
        (folder / "vocab.json").write_text(json.dumps({letter: i for i, letter in enumerate(dict.fromkeys(letters))}))
        (folder / "merges.txt").write_text("#version: 0.2\n")
        tokenizer = transformers.GPT2Tokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
        config = transformers.GPT2Config(vocab_size=16, n_embd=16, n_layer=2, n_head=2, n_positions=32)
        model = transformers.GPT2LMHeadModel(config)
    else:
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "dog", "sees", "cat"]
        (folder / "vocab.txt").write_text("\n".join(words))
        tokenizer = transformers.BertTokenizer(str(folder / "vocab.txt"))
        config = transformers.BertConfig(
            vocab_size=16, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
        )
        model = transformers.BertModel(config)
    target = folder / "saved"
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    return target


def test_a_record_of_a_toy_model_has_all_maps() -> None:
    record = Record()
    toy_model("bert", Run())(sentences(torch.Generator().manual_seed(0), 3).tokens, record=record)
    assert record.weights.shape == (2, 3, 4, 10, 10)

"""The teaching runs on transformers: seconds of one thread until there is something to see, and what a cache saves.

One thread's CPU time is what a run costs beside neighbours; on two quiet cores it is less.
"""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from engines.figures import Figure
from engines.parameters.attention_maps import Agreement
from engines.parameters.induction import Induction
from engines.registry import execute
from engines.run import Run
from engines.transformer import Config, Decoder, initialise
from tests.benchmarks.contest import contest


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_induction_heads_are_visible_within_three_seconds(seed: int, report: Any) -> None:
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # the first one imports a compiler, for a second
    began, seen = time.process_time(), []

    def listen(fraction: float, message: str, figure: Figure | None) -> None:
        seen.append((int(message.split("step ")[1].split(",", maxsplit=1)[0]), time.process_time() - began))

    values = execute(Induction(control=False), Run(seed=seed, report=listen)).values
    at = dict(seen)
    visible, learned = at[values["visible_at"]], at[values["steps"]]
    report.row(f"induction head visible, seed {seed}", f"{visible:.2f} s", "3 s", f"learned at {learned:.2f} s")
    assert values["accuracy"] > 0.85
    assert visible <= 3.0


@pytest.mark.parametrize("model", ["gpt", "bert"])
def test_agreement_is_learned_in_a_few_seconds(model: Any, report: Any) -> None:
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    began = time.process_time()
    values = execute(Agreement(model=model), Run()).values
    taken = time.process_time() - began
    report.row(f"agreement, {model}", f"{taken:.2f} s", "6 s", f"right {values['agreement_misleading']:.2f}")
    assert taken <= 6.0


def test_a_cache_beats_reading_the_prefix_again(report: Any) -> None:
    config = Config(1000, 128, 4, 4, d_ff=512, max_length=80)
    model = Decoder(config).eval()
    initialise(model, Run())
    prompt = Run().randint("prompt", 1000, 4, 16)

    @torch.no_grad()
    def cached() -> torch.Tensor:
        cache, tokens = model.cache(4), prompt
        logits = model.step(prompt, cache, 0)
        for t in range(16, 80):
            new = logits.argmax(-1, keepdim=True)
            tokens = torch.cat([tokens, new], 1)
            logits = model.step(new, cache, t)
        return tokens

    @torch.no_grad()
    def again() -> torch.Tensor:
        tokens = prompt
        for _ in range(64):
            tokens = torch.cat([tokens, model(tokens)[:, -1].argmax(-1, keepdim=True)], 1)
        return tokens

    assert torch.equal(cached(), again())
    found = contest({"cached": cached, "again": again}, rounds=5)
    faster = found.speedup("cached", "again")
    report.row("64 tokens with a cache, 4 rows", f"{faster:.1f} ×", "2 ×", f"{found.median('cached') * 1e3:.0f} ms")
    assert faster >= 2

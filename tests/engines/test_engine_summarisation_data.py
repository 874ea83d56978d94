"""What summaries are made of and measured with: the harvest, the tokenizer, ROUGE, the nearest neighbour."""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engines import corpus
from engines.corpus import Harvest, Pair, docstrings, find, installed, kept, sources, split, spoken
from engines.docstring_task import Task, by_files, by_pairs, lead, neighbours_summaries, split_rows, typical_length
from engines.rouge import (
    literal_longest_common_subsequence,
    longest_common_subsequence,
    rouge_l,
    rouge_n,
    score,
    words,
)
from engines.similar_texts import inverse_document_frequency, literal_similarities, nearest, similarities
from engines.summariser import Examples
from engines.tokenizer import (
    ALPHABET,
    BEGIN,
    END,
    PAD,
    SMALLEST,
    SPECIAL,
    Tokenizer,
    count_words,
    learn_merges,
    literal_merges,
    words_of,
)

BODY = "The body has more to say about it, in at least as many words as are asked for."


def documented(name: str, summary: str, body: str = BODY) -> str:
    return f'def {name}():\n    """{summary}\n\n    {body}\n    """\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages as an interpreter might have it."""
    folder = tmp_path / "site-packages"
    good = folder / "good"
    (good / "deeper").mkdir(parents=True)
    (good / "__init__.py").write_text(documented("first_thing", "Return the first thing there is."))
    (good / "b.py").write_text(
        documented("twice", "Say the same thing twice.")
        + documented("twice_again", "Say the same thing twice.")  # no new pair
        + "class Box:\n"
        + '    """A box that holds things.\n\n    ' + BODY + '\n    """\n'
        + "    async def open(self):\n"
        + '        """Open the box of things.\n\n        ' + BODY + '\n        """\n'
    )  # fmt: skip
    (good / "deeper" / "a.py").write_text(documented("deep_down", "Return the thing deep down."))
    (good / "tests").mkdir()
    (good / "tests" / "test_a.py").write_text(documented("test", "Test what is not to be read."))
    (folder / "single.py").write_text(documented("alone", "Stand alone in a file."))
    return folder


def names(harvest: Harvest) -> list[str]:
    return [pair.name for pair in harvest.pairs]


# -- the harvest


def test_pairs_come_in_the_order_of_files_once_each_and_without_tests(site: Path) -> None:
    found = installed(["good", "single"], path=[str(site)])
    assert names(found) == ["first_thing", "twice", "Box", "open", "deep_down", "alone"]
    assert found.pairs[0] == Pair("good/__init__.py", "first_thing", BODY, "Return the first thing there is.")
    assert found.by_package() == {"good": 5, "single": 1}
    assert (found.files, found.skipped) == (4, {})


def test_nothing_that_is_read_is_run(site: Path) -> None:
    (site / "good" / "bomb.py").write_text(
        "raise SystemExit('imported')\n" + documented("bomb", "Go off at once, loudly.")
    )
    before = set(sys.modules)
    assert "bomb" in names(installed(["good"], path=[str(site)]))
    assert set(sys.modules) == before


def test_hostile_files_are_passed_over_and_counted(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "MAX_FILE_BYTES", 20_000)
    bad = site / "bad"
    bad.mkdir()
    text = documented("kept", "Keep what can be read.")
    quotes = b'"""a\n\nb"""\n'
    (bad / "__init__.py").write_text(text)
    (bad / "syntax.py").write_bytes(quotes + b"def (:\n")
    (bad / "nul.py").write_bytes(quotes + b"\0")
    (bad / "coding.py").write_bytes(b"# coding: no-such-coding\n" + quotes)
    (bad / "utf8.py").write_bytes(quotes + b"x = '\xff'\n")
    (bad / "deep.py").write_bytes(quotes + b"x = " + b"(" * 5000 + b")" * 5000)
    (bad / "minus.py").write_bytes(quotes + b"x = " + b"-" * 15_000 + b"1")
    (bad / "huge.py").write_text(text + "#" * 20_001)
    (bad / "nowhere.py").symlink_to(bad / "not there")
    (bad / "itself.py").symlink_to(bad / "itself.py")
    os.mkfifo(bad / "pipe.py")
    (bad / "circle").symlink_to(bad, target_is_directory=True)
    (bad / "latin.py").write_bytes(
        b"# coding: latin-1\n" + documented("caf", "Serve a caf\u00e9 to all.").encode("latin-1")
    )
    (bad / "zescape.py").write_text(documented("odd", "Warn about an odd escape \\d here."))
    found = installed(["bad", "missing"], path=[str(site)])
    assert names(found) == ["kept", "caf", "odd"]
    assert found.pairs[1].summary == "Serve a café to all."
    assert found.skipped == {
        "not Python": 6,
        "too large": 1,
        "unreadable": 2,
        "no regular file": 1,
        "missing is not installed": 1,
    }
    assert gc.isenabled()


def test_the_harvest_is_bounded_by_counts(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(corpus, "MAX_FILES", 2)
        found = installed(["good"], path=[str(site)])
        assert (found.files, found.skipped) == (2, {"beyond the number of files": 1})
    with monkeypatch.context() as patch:
        patch.setattr(corpus, "MAX_DEPTH", 0)
        assert installed(["good"], path=[str(site)]).skipped == {"folder too deep": 1}
    with monkeypatch.context() as patch:
        patch.setattr(corpus, "MAX_BYTES", 400)
        found = installed(["good"], path=[str(site)])
        assert found.files + found.skipped["beyond the number of bytes"] == 3


def test_a_package_is_found_as_import_would_find_it(tmp_path: Path) -> None:
    """A folder without __init__ comes last: `tests/engines` is not the package `engines`."""
    for place in ("first/thing", "second/thing"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "second" / "thing" / "__init__.py").touch()
    (tmp_path / "first" / "module.py").touch()
    path = [str(tmp_path / "none"), "\0", str(tmp_path / "first"), str(tmp_path / "second")]
    assert find("thing", path) == tmp_path / "second" / "thing"
    assert find("thing", path[:3]) == tmp_path / "first" / "thing"
    assert find("module", path) == tmp_path / "first" / "module.py"
    assert find("nothing", path) is None
    stdlib = find("stdlib")
    assert stdlib is not None
    assert (stdlib / "ast.py").is_file()
    assert not any("site-packages" in file.name for file in sources("stdlib", stdlib, Counter()))


def test_reading_can_be_stopped_and_tells_how_far_it_is(site: Path) -> None:
    told: list[tuple[float, int]] = []

    def progress(fraction: float, message: str, found: Mapping[str, int]) -> None:
        assert message
        told.append((fraction, sum(found.values())))
        if len(told) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        installed(["good"], progress=progress, path=[str(site)])
    assert told == sorted(told)
    assert [found for _, found in told] == [0, 0, 1, 4]
    assert gc.isenabled()


def test_pairs_are_read_once_and_again_when_a_file_changes(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    parsed: list[int] = []
    real = corpus.docstrings

    def noted(source: bytes) -> Any:
        parsed.append(len(source))
        return real(source)

    monkeypatch.setattr(corpus, "docstrings", noted)
    first = installed(["good"], cache, path=[str(site)])
    assert len(parsed) == 3
    assert installed(["good"], cache, path=[str(site)]) == first
    assert len(parsed) == 3
    (site / "good" / "b.py").write_text(documented("other", "Say something else than before."))
    assert names(installed(["good"], cache, path=[str(site)])) == ["first_thing", "other", "deep_down"]
    assert len(parsed) == 6
    assert installed(["good"], path=[str(site)]).pairs != first.pairs


def test_what_is_kept_survives_damage_full_disks_and_other_states(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> Any:
        made.append(1)
        return {"x": [1, "\ud800"]}

    def count(state: str, folder: Path | None = tmp_path / "kept") -> int:
        assert kept(folder, "thing", state, make) == {"x": [1, "\ud800"]}
        return len(made)

    assert [count("a"), count("a"), count("b"), count("b"), count("a")] == [1, 1, 2, 2, 3]
    (file,) = (tmp_path / "kept").iterdir()
    content = file.read_bytes()
    for damaged in (b"", content[:-1], content.replace(b"[1,", b"[2,"), b"\xff" + content, json.dumps({}).encode()):
        file.write_bytes(damaged)
        before = len(made)
        assert count("a") == before + 1
        assert file.read_bytes() == content
    assert count("a", None) == len(made)
    blocked = tmp_path / "file"
    blocked.touch()
    assert count("a", blocked) == len(made)  # no folder: nothing is kept, and nothing is wrong
    for i in range(corpus.KEPT_FILES + 5):
        kept(tmp_path / "kept", f"thing {i}", "a", make)
    assert len(list((tmp_path / "kept").iterdir())) == corpus.KEPT_FILES


@pytest.mark.parametrize(
    ("docstring", "reason"),
    [
        ("Only one paragraph here, with no body.", "no body"),
        (f"Too short.\n\n{BODY}", "short summary"),
        (f"{'word ' * 25}\n\n{BODY}", "long summary"),
        ("A summary of some words.\n\nToo short a body.", "short body"),
        (f"name(x) -> the result of it\n\n{BODY}", "a signature"),
        (f">>> a prompt and more\n\n{BODY}", "a prompt"),
        (f"12 34 a 56 78\n\n{BODY}", "numbers"),
        (f"A summary with \x1b[31m in it.\n\n{BODY}", "steers a terminal"),
        (f"A summary of some words.\n\n{BODY} \x07", "rings the bell"),
        (f"A summary of some words.\n\n{'1 2 3 4 5 6 7 8 9 ' * 9}", "no prose"),
        (f"A summary of some words.\n\n{'word ' * 20_000}", "data"),
    ],
)
def test_what_is_no_pair(docstring: str, reason: str) -> None:
    assert split(docstring) is None, reason


def test_a_pair_is_prose_without_prompts_and_rules() -> None:
    text = f"Return the\nsum of things.\n   \n{BODY}\n\nExamples\n--------\n>>> f(1)\n... 2\n===="
    assert split(text) == (f"{BODY} Examples", "Return the sum of things.")
    long = split(f"A summary of some words.\n\n{'word ' * 500}")
    assert long is not None
    assert len(long[0].split()) == corpus.MAX_BODY


def test_docstrings_of_nested_things() -> None:
    source = b'''
"""Of the module."""
if True:
    class A:
        """Of A."""
        try:
            def f(self):
                """Of f."""
                def g():
                    """Of g."""
        except ValueError:
            pass
'''
    assert list(docstrings(source)) == [("A", "Of A."), ("f", "Of f.")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lastTokenOf_this", "last token of this"),
        ("__init__", "init"),
        ("HTTPError", "httperror"),
        ("_", ""),
        ("x2Y", "x2 y"),
    ],
)
def test_names_as_words(name: str, said: str) -> None:
    assert spoken(name) == said


# -- what is held out


def pairs_of(sizes: Sequence[int]) -> list[Pair]:
    return [Pair(f"p/{i}.py", f"f{j}", f"body {i} {j}", f"sum {i} {j}") for i, n in enumerate(sizes) for j in range(n)]


@given(st.lists(st.integers(1, 6), min_size=12, max_size=30), st.integers(0, 99))
def test_whole_files_are_held_out_and_random_splits_leak(sizes: list[int], seed: int) -> None:
    pairs = pairs_of(sizes)
    training, rows = by_files(pairs, 4, torch.Generator().manual_seed(seed))
    assert len(rows) == 4
    assert not {pairs[i].file for i in training} & {pairs[i].file for i in rows}
    files = {pairs[i].file for i in training}
    assert [i for i, pair in enumerate(pairs) if pair.file in files] == training
    training, rows = by_pairs(pairs, 4, torch.Generator().manual_seed(seed))
    assert sorted(training + rows) == list(range(len(pairs)))
    assert len(rows) == 4


def test_trap_7_a_random_split_of_docstrings_leaks() -> None:
    """Siblings on both sides of a random split; the nearest neighbour finds them."""
    pairs = pairs_of([6] * 30)
    leaks = {}
    for how in ("files", "random"):
        training, rows = split_rows(how, pairs, 20, torch.Generator().manual_seed(0))
        files = {pairs[i].file for i in training}
        leaks[how] = sum(pairs[i].file in files for i in rows)
    assert leaks == {"files": 0, "random": 20}


def test_too_few_pairs_are_an_error_in_words() -> None:
    with pytest.raises(ValueError, match="5 pairs were found, too few to hold out 4: name more packages"):
        split_rows("random", pairs_of([5]), 4, torch.Generator())
    with pytest.raises(ValueError, match="too few"):
        split_rows("files", pairs_of([50]), 4, torch.Generator())


def test_baselines_that_need_no_training() -> None:
    pair = Pair("p/a.py", "f", "one two three four", "a b c")
    assert lead(pair, 3) == "one two three"
    assert typical_length([pair, Pair("p/a.py", "f", "x", "a b c d e f")]) == 4  # 4.5 to the even one


# -- the tokenizer


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_comes_back(text: str) -> None:
    """Lone surrogates too: a literal in somebody's source may hold one."""
    assert "".join(words_of(text)) == text
    assert SMALL_TOKENIZER.decode(SMALL_TOKENIZER.encode(text)) == text


TEXT = (
    "the cat sat on the mat, and the cat's hat sat on the cat; aaaa aaaaa ababab naïve naïve 12 1212 x_y x_y "
    "it's they're  two  spaces\n\nand lines\n\tand tabs "
)
SMALL_TOKENIZER = Tokenizer.train([TEXT] * 2, 340)


@given(st.lists(st.text(alphabet="ab c", max_size=12), max_size=8), st.integers(SMALLEST, SMALLEST + 30))
def test_the_fast_merges_are_the_literal_ones(texts: list[str], size: int) -> None:
    counts = count_words(texts)
    assert learn_merges(counts, size) == literal_merges(counts, size)


def test_merges_on_real_sentences_are_the_literal_ones() -> None:
    counts = count_words([TEXT, corpus.__doc__ or "", BODY])
    merges = literal_merges(counts, 400)
    assert len(merges) > 30
    assert learn_merges(counts, 400) == merges


def test_merges_by_hand() -> None:
    """Three low and one lower: (l, o) and (o, w) are in all four words; l has the smaller id, so (l, o) is first."""
    counts = {"low": 3, "lower": 1}
    l, o, w = (SMALLEST - 256 + ALPHABET.index(letter) for letter in (b"l", b"o", b"w"))  # noqa: E741
    assert learn_merges(counts, SMALLEST + 9) == [(l, o), (SMALLEST, w)]
    assert Tokenizer(((l, o), (SMALLEST, w))).encode("lowlol") == [SMALLEST + 1, SMALLEST, l]
    assert learn_merges({}, 400) == []
    assert learn_merges({"low": 1}, 400) == []  # nothing occurs twice


def test_special_tokens_are_apart_from_text() -> None:
    assert (PAD, BEGIN, END) == (0, 1, 2)
    ids = SMALL_TOKENIZER.encode("<pad><end>")
    assert not {PAD, BEGIN, END} & set(ids)
    assert SMALL_TOKENIZER.decode([BEGIN, *ids, END, PAD]) == "<pad><end>"
    assert [SMALL_TOKENIZER.label(i) for i in range(3)] == list(SPECIAL)
    assert SMALL_TOKENIZER.decode([3 + ALPHABET.index(b"\xff")]) == "�"


def test_ids_are_dense_and_frequent_words_short() -> None:
    assert SMALL_TOKENIZER.size == SMALLEST + len(
        {SMALL_TOKENIZER.decode([i]) for i in range(SMALLEST, SMALL_TOKENIZER.size)}
    )
    assert len(SMALL_TOKENIZER.encode(" the cat")) == 2
    assert max(SMALL_TOKENIZER.encode(TEXT)) < SMALL_TOKENIZER.size


def test_the_same_as_tokenizers() -> None:
    """Merge for merge and id for id, where the library is installed."""
    tokenizers = pytest.importorskip("tokenizers")
    texts = [TEXT, BODY, *(str(thing.__doc__) for thing in (corpus, split, Tokenizer))]
    byte_level = tokenizers.pre_tokenizers.ByteLevel
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = byte_level(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=450, special_tokens=list(SPECIAL), initial_alphabet=byte_level.alphabet(), show_progress=False
    )
    theirs.train_from_iterator(texts, trainer)
    model = json.loads(theirs.to_str())["model"]
    merges = tuple((model["vocab"][a], model["vocab"][b]) for a, b in model["merges"])
    ours = Tokenizer.train(texts, 450)
    assert ours.merges[: len(merges)] == merges
    assert len(merges) > 100
    for text in texts:
        assert Tokenizer(merges).encode(text) == theirs.encode(text).ids


# -- ROUGE


def brute_force_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    def within(part: Sequence[str]) -> bool:
        rest = iter(b)
        return all(word in rest for word in part)

    return max(n for n in range(len(a) + 1) for part in itertools.combinations(a, n) if within(part))


few_words = st.lists(st.sampled_from("abcd"), max_size=8)


@given(few_words, few_words)
def test_longest_common_subsequence(a: list[str], b: list[str]) -> None:
    longest = brute_force_subsequence(a, b)
    assert literal_longest_common_subsequence(a, b) == longest
    assert longest_common_subsequence(a, b) == longest


@given(st.lists(st.sampled_from("abcdefgh"), max_size=150), st.lists(st.sampled_from("abcdefgh"), max_size=150))
def test_longest_common_subsequence_of_long_texts(a: list[str], b: list[str]) -> None:
    assert longest_common_subsequence(a, b) == literal_longest_common_subsequence(a, b)


def test_rouge_by_hand() -> None:
    """Lin 2004: "police killed the gunman" against two candidates with the same words in another order."""
    reference = words("police killed the gunman")
    kill, gunman = words("police kill the gunman"), words("the gunman kill police")
    assert rouge_n(kill, reference, 1) == rouge_n(gunman, reference, 1) == 3 / 4
    assert rouge_n(kill, reference, 2) == rouge_n(gunman, reference, 2) == 1 / 3
    assert rouge_l(kill, reference) == 3 / 4
    assert rouge_l(gunman, reference) == 2 / 4
    # counted at most as often as in the other: 2 of 4 against 2 of 3
    assert rouge_n(["a"] * 4, ["a", "a", "b"], 1) == pytest.approx(2 * (2 / 4) * (2 / 3) / (2 / 4 + 2 / 3))


@given(few_words, few_words, st.integers(1, 3))
def test_rouge_n_against_counting(a: list[str], b: list[str], n: int) -> None:
    grams = [[tuple(text[i : i + n]) for i in range(len(text) - n + 1)] for text in (a, b)]
    common = sum(min(grams[0].count(gram), grams[1].count(gram)) for gram in set(grams[0]))
    if common:
        precision, recall = common / len(grams[0]), common / len(grams[1])
        assert rouge_n(a, b, n) == pytest.approx(2 * precision * recall / (precision + recall))
    else:
        assert rouge_n(a, b, n) == 0
    assert rouge_n(a, b, n) == rouge_n(b, a, n)
    assert rouge_l(a, b) == rouge_l(b, a)
    assert rouge_l(a, a) == (1 if a else 0)


def test_words_of_rouge_and_empty_sides() -> None:
    assert words("Don't, PANIC_now: 42 über!") == ["don", "t", "panic", "now", "42", "über"]
    assert score([""], ["something"]).rouge_l == 0
    assert score(["A b."], ["a B"]).rouge_2 == 1
    with pytest.raises(ValueError, match="no summaries"):
        score([], [])
    with pytest.raises(ValueError, match=r"shorter|longer"):
        score(["a"], [])


# -- the nearest neighbour

texts_of_ids = st.lists(st.lists(st.integers(0, 11), min_size=0, max_size=9), min_size=1, max_size=7)


@given(texts_of_ids, texts_of_ids)
def test_similarities_are_cosines(texts: list[list[int]], queries: list[list[int]]) -> None:
    literal = literal_similarities(texts, queries, 12)
    assert torch.allclose(similarities(texts, queries, 12).double(), literal, atol=1e-5)
    idf = inverse_document_frequency(texts, 12)
    for i, j in itertools.product(range(len(texts)), range(len(queries))):
        a, b = ([text.count(t) * float(idf[t]) for t in range(12)] for text in (texts[i], queries[j]))
        size = (sum(x * x for x in a) * sum(x * x for x in b)) ** 0.5
        assert float(literal[i, j]) == pytest.approx(
            sum(x * y for x, y in zip(a, b, strict=True)) / size if size else 0.0
        )


def test_a_text_is_its_own_nearest_neighbour() -> None:
    texts = [[3, 4, 5, 5], [3, 4, 6], [7], [3, 3, 4]]
    assert nearest(texts, texts, 8) == [0, 1, 2, 3]
    assert nearest(texts, [[7, 7, 3]], 8) == [2]


def test_the_neighbours_summary_is_what_is_returned() -> None:
    pairs = pairs_of([1, 1, 1, 1])
    examples = Examples([[3, 4], [5, 6], [7, 8], [5, 6, 6]], [[]] * 4)
    task = Task(pairs, SMALL_TOKENIZER, examples, [0, 1, 2], [3])
    assert neighbours_summaries(task, task.training, task.held_out) == [pairs[1].summary]
    assert task.references == [pairs[3].summary]

"""The n-gram: by hand, sums to one, and the file that KenLM reads."""

from __future__ import annotations

import math
import random
import subprocess
import sys

import pytest

from espnet_ee.data.ngram import BEGIN, END, UNKNOWN, arpa, estimate
from espnet_ee.errors import DataError


def corpus(seed: int, sentences: int = 60) -> list[list[str]]:
    rng = random.Random(seed)
    words = [*"ABCDEFG"]
    return [
        rng.choices(words, weights=[20, 10, 6, 4, 2, 2, 1], k=rng.randrange(0, 7))
        for _ in range(sentences)
    ]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_every_context_sums_to_one(order, seed):
    model = estimate(corpus(seed), order)
    words = [gram[0] for gram in model.probabilities if len(gram) == 1 and gram != (BEGIN,)]
    contexts = {gram[:-1] for gram in model.probabilities} | {("Z", "A"), (BEGIN, BEGIN)}
    for context in contexts:
        assert sum(model.probability(w, context) for w in words) == pytest.approx(1.0)


def test_a_bigram_by_hand():
    """A B | A B | A C: of unigrams none has three words before, which leaves the fallback."""
    model = estimate([["A", "B"], ["A", "B"], ["A", "C"]], 2)
    # Words before: A 1, B 1, C 1, end 2; of 5 the discounts 3 * 0.5 + 1 go to 5 words evenly.
    uniform = 2.5 / 5 / 5
    assert model.probability("A") == pytest.approx(0.5 / 5 + uniform)
    assert model.probability(END) == pytest.approx(1.0 / 5 + uniform)
    assert model.probability("Z") == model.probability(UNKNOWN) == pytest.approx(uniform)
    # Bigrams: two of one occurrence, two of two, one of three, so y = 1/3; discounts 1/3, 3/2, 3.
    left = (1 / 3 + 3 / 2) / 3
    wanted = (2 - 3 / 2) / 3 + left * model.probability("B")
    assert model.probability("B", ("A",)) == pytest.approx(wanted)
    assert model.probability("A", ("A",)) == pytest.approx(left * model.probability("A"))
    assert model.probability("A", (BEGIN,)) == pytest.approx(model.probability("A"))


def test_discounts_of_counts_of_counts():
    """One word occurs once, two twice (the end too), one three and one four times: y = 1/5."""
    model = estimate([["A", "B", "B", "C", "C", "C", "D", "D", "D"], ["D"]], 1)
    once, twice, more = 1 - 2 / 5 * 2, 2 - 3 / 5 / 2, 3 - 4 / 5
    uniform = (once + 2 * twice + 2 * more) / 12 / 6
    assert model.probability("A") == pytest.approx((1 - once) / 12 + uniform)
    assert model.probability("B") == pytest.approx((2 - twice) / 12 + uniform)
    assert model.probability("D") == pytest.approx((4 - more) / 12 + uniform)


def test_a_text_without_words_is_an_error():
    with pytest.raises(DataError, match="no word to estimate"):
        estimate([[], []], 3)


@pytest.fixture
def written(tmp_path):
    text = tmp_path / "text"
    text.write_text("".join(f"u{i:02d} {' '.join(s)}\n" for i, s in enumerate(corpus(0))))
    command = [sys.executable, "-m", "espnet_ee.data.ngram", str(text), "--order", "3"]
    out = tmp_path / "ngram" / "3gram.arpa"
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def test_the_file_says_what_the_model_says(written):
    model = estimate(corpus(0), 3)
    text = written.read_text()
    assert text.splitlines() == [*arpa(model)]
    assert text.startswith("\\data\\\nngram 1=") and text.endswith("\n\\end\\\n")
    assert f"\nngram 3={sum(len(g) == 3 for g in model.probabilities)}\n" in text


def test_kenlm_reads_the_same_probabilities(written):
    kenlm = pytest.importorskip("flashlight.lib.text.decoder.kenlm", reason="no flashlight-text")
    from flashlight.lib.text.dictionary import create_word_dict

    model = estimate(corpus(0), 3)
    words = create_word_dict({word: [[word]] for word in (*"ABCDEFG", UNKNOWN)})
    reader = kenlm.KenLM(str(written), words)
    for sentence in corpus(1, 20):
        state, history = reader.start(False), (BEGIN,)
        for word in sentence:
            state, found = reader.score(state, words.get_index(word))
            wanted = math.log10(model.probability(word, history))
            assert found == pytest.approx(wanted, abs=1e-5)
            history = (*history, word)
        found = reader.finish(state)[1]
        assert found == pytest.approx(math.log10(model.probability(END, history)), abs=1e-5)

"""The search with a lexicon and an n-gram against all paths of tiny posteriors."""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torchaudio.models.decoder

from espnet_ee.data.files import write_lines_atomic
from espnet_ee.data.ngram import BEGIN, END, arpa, estimate
from espnet_ee.decoding.lexicon_beam import LexiconBeam
from espnet_ee.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parent))
from brute_force import gather, random_posteriors  # noqa: E402

CHARS = ["<blank>", "<space>", "A", "B", "<sos/eos>"]
CHAR_WORDS = {"A": (2,), "AB": (2, 3), "BA": (3, 2)}
PIECES = ["<blank>", "▁A", "B", "C", "<sos/eos>"]
PIECE_WORDS = {"AB": (1, 2), "A": (1,), "AC": (1, 3)}
KINDS = {"char": (CHARS, CHAR_WORDS), "bpe": (PIECES, PIECE_WORDS)}
ORDER = 2
BIGRAM = estimate([["A", "AB"], ["AB", "A", "A"], ["BA"], ["AC", "AB"]], ORDER)

needs_flashlight = pytest.mark.skipif(
    __import__("importlib.util").util.find_spec("flashlight") is None,
    reason="flashlight-text is not installed (pip install 'espnet-ee[beam]')",
)


def search(folder, kind="char", ngram=False, weight=0.0, score=0.0, beam=2000, nbest=2000):
    tokens, words = KINDS[kind]
    lexicon = folder / "lexicon.txt"
    lines = (f"{w} {' '.join(tokens[i] for i in way)}" for w, way in words.items())
    write_lines_atomic(lexicon, lines)
    write_lines_atomic(folder / "2gram.arpa", arpa(BIGRAM))
    file = folder / "2gram.arpa" if ngram else None
    return LexiconBeam(tokens, lexicon, file, weight, score, beam, nbest)


def posteriors(kind, frames, seed):
    """Of a model that has never learnt to say its last token, as CTC does not."""
    log_probs = random_posteriors(frames, 5, seed)
    log_probs[:, -1] = -50.0
    return torch.from_numpy(log_probs)


def sentences(kind, longest):
    """Tokens to words, for all sequences of at most ``longest`` words."""
    words = KINDS[kind][1]
    for count in range(longest + 1):
        for said in itertools.product(words, repeat=count):
            tokens = [words[word] for word in said]
            if kind == "char":
                tokens = [(*(() if i == 0 else (1,)), *t) for i, t in enumerate(tokens)]
            yield tuple(itertools.chain(*tokens)), said


def language_score(said):
    """log10 of the sentence."""
    history, total = (BEGIN,), 0.0
    for word in (*said, END):
        total += math.log10(BIGRAM.probability(word, history))
        history = (*history, word)
    return total


def best_by_all_paths(kind, log_probs, weight, score):
    best = gather(log_probs.numpy(), max)
    if kind == "char":  # spaces around words change no text
        joined: dict = {}
        for text, value in best.items():
            runs = [tuple(run) for space, run in itertools.groupby(text, (1).__eq__) if not space]
            key = tuple(itertools.chain(*((1, *run) for run in runs)))[1:]
            joined[key] = max(joined.get(key, -math.inf), value)
        best = joined
    return {
        tokens: best[tokens] + score * len(said) + (weight * language_score(said) if weight else 0)
        for tokens, said in sentences(kind, len(log_probs))
        if tokens in best
    }


@needs_flashlight
@pytest.mark.parametrize(("weight", "score"), [(0.0, 0.0), (0.0, 1.5), (1.2, 0.7)])
@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_spelled_in_characters_it_finds_the_best_of_all_paths(
    weight, score, frames, seed, tmp_path
):
    beam = search(tmp_path, "char", weight > 0, weight, score)
    log_probs = posteriors("char", frames, seed)
    wanted = best_by_all_paths("char", log_probs, weight, score)
    found = beam(log_probs)
    assert found[0].tokens == max(wanted, key=wanted.__getitem__)
    for one in found:
        assert one.log_prob == pytest.approx(wanted[one.tokens], abs=1e-3)


@needs_flashlight
@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("seed", range(8))
def test_spelled_in_pieces_it_finds_the_best_of_peaked_paths(frames, seed, tmp_path):
    """Peaked: a piece that lasts is followed by a blank, as trained CTC has it."""
    rng = np.random.default_rng(seed)
    path = [0] * (2 * frames)
    path[::2] = rng.integers(0, 4, frames)
    log_probs = torch.full((2 * frames, 5), -9.0)
    log_probs[torch.arange(2 * frames), torch.tensor(path)] = -0.1
    log_probs += 0.3 * torch.from_numpy(rng.random((2 * frames, 5)))
    log_probs[:, -1] = -50.0
    if frames > 2:
        log_probs = log_probs[:6]
    wanted = best_by_all_paths("bpe", log_probs.double(), 0.0, 0.5)
    best = search(tmp_path, "bpe", score=0.5)(log_probs)[0]
    assert best.tokens == max(wanted, key=wanted.__getitem__)
    assert best.log_prob == pytest.approx(wanted[best.tokens], abs=1e-3)


@needs_flashlight
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(10))
def test_only_words_of_the_lexicon_come_through_each_once(kind, seed, tmp_path):
    allowed = dict(sentences(kind, 6))
    found = search(tmp_path, kind)(posteriors(kind, 6, seed))
    assert found and all(one.tokens in allowed for one in found)
    assert len({one.tokens for one in found}) == len(found)
    scores = [one.log_prob for one in found]
    assert scores == sorted(scores, reverse=True)


@needs_flashlight
@pytest.mark.parametrize("kind", KINDS)
def test_silence_impossible_labels_and_a_beam_of_one(kind, tmp_path):
    silent = torch.full((3, 5), -torch.inf)
    silent[:, 0] = 0.0
    assert search(tmp_path, kind)(silent)[0].tokens == ()
    assert len(search(tmp_path, kind, beam=1, nbest=1)(posteriors(kind, 6, 0))) == 1
    word = torch.full((4, 5), -torch.inf)
    spelling = KINDS[kind][1]["AB"]
    word[torch.arange(4), torch.tensor([spelling[0], spelling[0], spelling[1], spelling[1]])] = 0.0
    assert search(tmp_path, kind)(word)[0].tokens == spelling


@needs_flashlight
def test_an_n_gram_of_tokens_needs_no_lexicon(tmp_path):
    tokens = ["<blank>", "<unk>", "A", "B", "<sos/eos>"]
    write_lines_atomic(tmp_path / "t.arpa", arpa(estimate([["A", "B"]] * 3, 2)))
    log_probs = torch.tensor([[0.02, 0.0, 0.49, 0.49, 0.0]] * 2).log()
    found = LexiconBeam(tokens, None, tmp_path / "t.arpa", 1.0, 0.0, 50, 50)(log_probs)
    assert found[0].tokens == (2, 3)
    scores = {one.tokens: one.log_prob for one in found}
    assert scores[3, 2] < scores[2, 3]


@needs_flashlight
def test_n_grams_that_do_not_fit_are_refused(tmp_path):
    search(tmp_path, ngram=True)
    with pytest.raises(ConfigError, match="does not exist"):
        LexiconBeam(CHARS, None, tmp_path / "none.arpa", 1.0, 0.0, 5, 1)
    with pytest.raises(ConfigError, match="knows none of the 5 words"):
        write_lines_atomic(tmp_path / "w.arpa", arpa(estimate([["SIX"]], 2)))
        LexiconBeam(CHARS, None, tmp_path / "w.arpa", 1.0, 0.0, 5, 1)
    (tmp_path / "bad.arpa").write_text("\\data\\\nnothing\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        LexiconBeam(CHARS, None, tmp_path / "bad.arpa", 1.0, 0.0, 5, 1)


def test_without_the_package_the_error_names_the_command(tmp_path, monkeypatch):
    for name in ("flashlight.lib.text.decoder", "torchaudio.models.decoder._ctc_decoder"):
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("_ctc_decoder", "ctc_decoder"):  # what an import before this left there
        monkeypatch.delitem(vars(torchaudio.models.decoder), name, raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'espnet-ee\[beam\]'"):
        search(tmp_path)

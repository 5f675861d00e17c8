"""Words with ESPnet's own tokenizers: characters, words and a real sentencepiece model."""

from __future__ import annotations

import random
from argparse import Namespace

import pytest
import sentencepiece

from espnet_ee.decoding.hypothesis import TokenSpan
from espnet_ee.host.texts import TokenTexts

TEXT = ["GO TO THE OTHER THEATRE", "TEN OTTERS GATHER HERE", "THE GHOST GOT THERE TOO"] * 20


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bpe")
    (folder / "text").write_text("\n".join(TEXT), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"),
        model_prefix=str(folder / "bpe"),
        vocab_size=30,
        model_type="bpe",
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "bpe.model"))
    names = [model.id_to_piece(place) for place in range(3, model.vocab_size())]
    tokens = ["<blank>", "<unk>", *names, "<sos/eos>"]
    return Namespace(token_list=tokens, token_type="bpe", bpemodel=str(folder / "bpe.model"))


@pytest.fixture(scope="module")
def characters():
    tokens = ["<blank>", "<unk>", "<space>", *"ABCDE", "<sos/eos>"]
    return Namespace(token_list=tokens, token_type="char", bpemodel=None)


@pytest.fixture(scope="module")
def whole_words():
    tokens = ["<blank>", "<unk>", *["ONE", "TWO", "THREE"], "<sos/eos>"]
    return Namespace(token_list=tokens, token_type="word", bpemodel=None)


@pytest.fixture(scope="module", params=["pieces", "characters", "whole_words"])
def args(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("seed", range(30))
def test_words_are_those_of_the_text(args, seed):
    texts = TokenTexts(args, 0.04)
    draw = random.Random(seed)
    tokens = [draw.randrange(1, len(args.token_list) - 1) for _ in range(draw.randrange(25))]
    spans = [TokenSpan(token, 2.0 * n, 2.0 * n + 1, 1.0) for n, token in enumerate(tokens)]
    words = texts.words(spans)
    assert [word.text for word in words] == texts.text_of(tokens).split()
    assert all(a.end_sec <= b.start_sec for a, b in zip(words, words[1:], strict=False))
    assert [token.text for token in texts.tokens(spans)] == [args.token_list[t] for t in tokens]


def test_without_spans_there_are_no_words(args):
    texts = TokenTexts(args, 0.04)
    assert texts.words(None) is None and texts.tokens(None) is None

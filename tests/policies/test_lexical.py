"""Policies that read text: what they make of words, and of a model that knows none."""

from __future__ import annotations

import pytest
import torch

from espnet_ee.errors import ConfigError
from espnet_ee.lexical import Lexical
from espnet_ee.policies import Evidence, Resources, available_policies, build_policy

LETTERS = " ABC"
LEXICAL = Lexical.of_texts(["AB C", "AB AB"])


def spell(tokens):
    return "".join(LETTERS[token - 1] for token in tokens)


def scores(name, *texts):
    longest = max(2 * len(text) + 1 for text in texts)
    log_probs = torch.full((len(texts), longest, len(LETTERS) + 1), -9.0)
    log_probs[:, :, 0] = -1.0  # blank, where nothing is said
    for row, text in enumerate(texts):
        for place, letter in enumerate(text):
            log_probs[row, 2 * place, LETTERS.index(letter) + 1] = 0.0
    lengths, rows = torch.full((len(texts),), longest), torch.arange(len(texts))
    return (
        build_policy(name)
        .bind(Resources(spell, LEXICAL))
        .score(Evidence(0, 2, log_probs, lengths, rows), [])
    )


def test_the_share_of_known_words():
    found = scores("known_words", "AB C", "AB CA", "BA", "")
    assert found.tolist() == [1.0, 0.5, 0.0, 0.0]


def test_spelling_is_likelier_of_words_than_of_their_letters_in_disorder():
    word, disorder, empty = scores("spelling", "AB C", "BA C", "").tolist()
    assert disorder < word < 0
    assert word == pytest.approx(LEXICAL.log_prob("AB C"))
    assert empty == pytest.approx(LEXICAL.log_prob(""))


def test_brevity_counts_tokens():
    assert scores("brevity", "AB C", "A", "").tolist() == [-4.0, -1.0, 0.0]


@pytest.mark.parametrize("name", ["known_words", "spelling"])
def test_a_model_that_knows_no_words_says_how_to_get_them(name):
    unprepared = Resources(spell)
    with pytest.raises(ConfigError, match=rf"{name} needs(.|\n)*lexical.json.gz(.|\n)*fix: "):
        build_policy(name).bind(unprepared)
    assert name not in [policy.name for policy in available_policies(unprepared)]
    assert name in [policy.name for policy in available_policies(Resources(spell, LEXICAL))]
    with pytest.raises(ConfigError, match="not bound"):
        now = Evidence(0, 2, torch.zeros(1, 1, 2), torch.tensor([1]), torch.tensor([0]))
        build_policy(name).score(now, [])

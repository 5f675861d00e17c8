"""Token ids to texts, and the frames of tokens to words with times."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from espnet_ee.decoding.hypothesis import Candidate, TokenSpan
from espnet_ee.decoding.words import Word, timed_tokens, timed_words
from espnet_ee.host.compat import TokenIDConverter, build_tokenizer
from espnet_ee.host.recognition import Alternative

Spans = Sequence[TokenSpan] | None


class TokenTexts:
    """What a model's tokens spell, by ESPnet's tokenizer, and when they were said.

    Args:
        args: Training configuration.
        frame_sec: Seconds from one frame behind the stem to the next. Frame ``t`` stands for the
            audio from ``t`` times this to ``t + 1`` times.
    """

    def __init__(self, args: argparse.Namespace, frame_sec: float) -> None:
        self.token_list: list[str] = list(args.token_list)
        self.frame_sec = frame_sec
        self._tokenizer = build_tokenizer(token_type=args.token_type, bpemodel=args.bpemodel)
        self._converter = TokenIDConverter(token_list=self.token_list)

    def text_of(self, tokens: Sequence[int]) -> str:
        """Token ids to words."""
        return str(self._tokenizer.tokens2text(self._converter.ids2tokens(list(tokens))))

    def alternatives(self, nbest: Sequence[Candidate]) -> tuple[Alternative, ...]:
        """An N-best list with its texts."""
        return tuple(
            Alternative(self.text_of(one.tokens), one.tokens, one.log_prob) for one in nbest
        )

    def words(self, spans: Spans) -> tuple[Word, ...] | None:
        """Words with times; None where tokens have none."""
        return None if spans is None else timed_words(spans, self.text_of, self.frame_sec)

    def tokens(self, spans: Spans) -> tuple[Word, ...] | None:
        """Tokens with times; None where they have none."""
        return None if spans is None else timed_tokens(spans, self.token_list, self.frame_sec)

"""Types of the data commands' arguments: numbers out of range are named, with what is wanted."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

from espnet_ee.data.command import count, rate, seconds, share


def test_numbers_in_range() -> None:
    assert (count("3"), seconds("0"), share("1.0")) == (3, 0.0, 1.0)
    assert (rate("16k"), rate("22050"), rate("22.05k")) == (16_000, 22_050, 22_050)


@pytest.mark.parametrize(
    ("kind", "text"),
    [(count, "0"), (count, "-1"), (count, "two"), (count, "1.5"), (seconds, "-0.1")]
    + [(seconds, "inf"), (seconds, "nan"), (seconds, "1s"), (share, "0"), (share, "1.1")]
    + [(rate, "0"), (rate, "k"), (rate, "16kHz"), (rate, "inf")],
)
def test_others_are_refused_by_value(kind: Callable[[str], object], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"want .*, got '{text}'"):
        kind(text)

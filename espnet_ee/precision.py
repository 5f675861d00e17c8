"""How exactly float32 products are computed, by torch's names."""

from __future__ import annotations

import argparse

PRECISIONS = ("highest", "high", "medium")
EXACT = "highest"


def add_precision_option(parser: argparse.ArgumentParser, dash: str) -> None:
    """The option of decoding commands; ``dash`` joins words, as the command's others do."""
    parser.add_argument(
        f"--float32{dash}matmul{dash}precision",
        choices=PRECISIONS,
        default=EXACT,
        help="'medium' multiplies in bf16 on processors that can: faster, not quite the same",
    )


def use_precision(name: str) -> None:
    """Compute this process's products so.

    Raises:
        ValueError: Not one of ``PRECISIONS``.
    """
    import torch

    if name not in PRECISIONS:
        raise ValueError(f"precision {name!r} is none of {', '.join(PRECISIONS)}")
    torch.set_float32_matmul_precision(name)


def precision_note() -> str:
    """For records of what was decoded: empty where products are exact."""
    import torch

    name = torch.get_float32_matmul_precision()
    return "" if name == EXACT else f", float32 products in {name} precision"

"""The few lines a report prints: WER, CER and cost of every exit, set by set."""

from __future__ import annotations

from collections.abc import Sequence

from espnet_ee.report.experiment import Decoded


def plain_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text in columns; the first row is the header, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([first, *rest]).rstrip())
    return "\n".join(lines) + "\n"


def summary_text(decoded: Sequence[Decoded]) -> str:
    """Return the per-exit table of all sets, as text for a terminal."""
    rows = [["set", "layer", "WER %", "CER %", "GFLOPs/s"]]
    several = len({(item.experiment, item.tag) for item in decoded}) > 1
    for item in decoded:
        name = f"{item.experiment}/{item.tag}/{item.set_name}" if several else item.set_name
        for point in item.fixed:
            rows.append(
                [
                    name,
                    f"{point.mean_layer:.0f}",
                    f"{100 * point.wer:.2f}",
                    f"{100 * point.cer:.2f}",
                    f"{point.gflops_per_second:.3f}",
                ]
            )
    return plain_table(rows)

"""The tables of one set: its exits, and where it overthinks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from espnet_ee.measured import MeasuredLatency
from espnet_ee.report.experiment import character_intervals, word_intervals
from espnet_ee.report.overthinking import Group, Share, overthinking_groups
from espnet_ee.report.page.markup import escape, table
from espnet_ee.report.study import Study
from espnet_ee.scoring import ErrorCounts
from espnet_ee.statistics import Intervals

MOST_SPEAKERS = 40  # rows; those with most utterances

_EXIT_COLUMNS = (
    *("layer", "GFLOPs/s", "of last", "WER %", "95 %", "CER %", "95 %"),
    *("sub %", "del %", "ins %", "sentence error %"),
)
_MEASURED_COLUMNS = ("parameters", "p50 ms", "p95 ms", "RTF")


def exits_table(study: Study, latency: MeasuredLatency | None, seed: int) -> str:
    """One row per exit, taken by all utterances."""
    item = study.item
    scored, last = item.scored, item.fixed[-1]
    words = word_intervals(scored, item.fixed, seed)
    characters = character_intervals(scored, item.fixed, seed)
    rows = []
    for index, point in enumerate(item.fixed):
        cells = [
            str(scored.header.exits[index]),
            f"{point.gflops_per_second:.3f}",
            f"{100 * point.gflops_per_second / last.gflops_per_second:.0f} %",
            f"{100 * point.wer:.2f}",
            _ends(words, index),
            f"{100 * point.cer:.2f}",
            _ends(characters, index),
            *_edits(scored.words, index),
        ]
        rows.append([*cells, *_measured(latency, index)])
    columns = [*_EXIT_COLUMNS, *(_MEASURED_COLUMNS if latency else ())]
    return table(f"Every utterance takes the same exit; {words.method}", columns, rows)


def _ends(intervals: Intervals, index: int) -> str:
    return f"{100 * intervals.low[index]:.1f} - {100 * intervals.high[index]:.1f}"


def _edits(words: ErrorCounts, index: int) -> list[str]:
    total = words.lengths.sum()
    parts = (words.substitutions, words.deletions, words.insertions)
    shares = [part[:, index].sum() / total for part in parts]
    return [f"{100 * share:.1f}" for share in (*shares, (words.errors[:, index] > 0).mean())]


def _measured(latency: MeasuredLatency | None, index: int) -> list[str]:
    if latency is None:
        return []
    return [
        f"{latency.parameters[index]:,}",
        f"{latency.p50_ms[index]:.1f}",
        f"{latency.p95_ms[index]:.1f}",
        f"{latency.rtf[index]:.4f}",
    ]


def overthinking_tables(study: Study) -> str:
    """How often an earlier exit was better or as good: by length and by speaker."""
    if len(study.item.scored.layers) == 1:
        return "<p>A model with one exit cannot overthink.</p>\n"
    groups = overthinking_groups(study.item.scored)
    kinds = {kind: [one for one in groups if one.kind == kind] for kind in ("length", "speaker")}
    text = _groups_table("By length of the audio", [groups[0], *kinds["length"]])
    if kinds["speaker"]:
        most = sorted(kinds["speaker"], key=lambda one: -one.utterances)[:MOST_SPEAKERS]
        hidden = len(kinds["speaker"]) - len(most)
        note = f"; {hidden} with fewer utterances are not shown" if hidden else ""
        shown = sorted(most, key=lambda one: one.name)
        text += f"<details><summary>By speaker ({len(kinds['speaker'])}{note})</summary>"
        text += _groups_table("By speaker", shown) + "</details>\n"
    return text


def sets_table(studies: Sequence[Study]) -> str:
    """Overthinking of whole sets beside each other: clean and noisy ones, near and far."""
    several = [study for study in studies if len(study.item.scored.layers) > 1]
    if len(several) < 2:
        return ""
    groups = [(study.sweep.name, overthinking_groups(study.item.scored)[0]) for study in several]
    rows = [_group_row(name, group) for name, group in groups]
    return table("By set", _GROUP_COLUMNS, rows)


_GROUP_COLUMNS = (
    *("part", "utterances", "WER % of last exit"),
    *("earlier exit better, %", "95 %", "as good or better, %", "95 %"),
)


def _groups_table(caption: str, groups: Sequence[Group]) -> str:
    return table(caption, _GROUP_COLUMNS, [_group_row(group.name, group) for group in groups])


def _group_row(name: str, group: Group) -> list[str]:
    wer = "" if math.isnan(group.last_wer) else f"{100 * group.last_wer:.1f}"
    return [name, str(group.utterances), wer, *_share(group.better), *_share(group.as_good)]


def _share(share: Share) -> list[str]:
    return [f"{100 * share.value:.1f}", f"{100 * share.low:.0f} - {100 * share.high:.0f}"]


def origin(study: Study) -> str:
    """Where the marked thresholds come from."""
    if not study.chosen:
        return "One exit: there is no threshold to choose."
    if study.dev is None:
        return (
            "Marked thresholds were chosen on this very set, for want of a dev set: they flatter."
        )
    return f"Marked thresholds were chosen on {escape(' + '.join(study.dev_names))}."

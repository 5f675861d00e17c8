"""RESULTS.md of an experiment: provenance, WER and CER per exit, policies, figure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from espnet_ee.baselines import overthinking
from espnet_ee.report.choice import MOST_DRAWN, choose
from espnet_ee.report.equal_cost import LEGEND, equal_cost_lines
from espnet_ee.report.experiment import Decoded, word_intervals
from espnet_ee.report.provenance import environment_lines, model_lines
from espnet_ee.report.tables import error_table, policy_table
from espnet_ee.scored_set import LAYER, ScoredSet, check_same_model, pool

_LEGEND = """\
Layers count from 1, exits from 0. GFLOPs/s: billions of floating-point operations per second of
audio, from the waveform to the scores; a fixed exit pays its own head, a policy that reads
posteriors every head on its way. S.Err: utterances with an error. Texts are compared as they
are."""

_FIGURE_LEGEND = f"""\
The figure has the {MOST_DRAWN} policies of lowest WER, averaged over all costs between the first
exit's and the last's, on the set that thresholds are chosen on; the tables have all."""

_COMPARED_LEGEND = """\
Exits of other experiments that cost or err far more than any of this one are in the tables only."""

_POLICY_LEGEND = """\
chosen for: the cheapest threshold whose WER, on the set it was chosen on, is at most so many points
over the last exit's; several targets may lead to one threshold. over last: WER points over always
taking the last exit. mix: the least WER of drawing fixed exits at random per utterance at no more
than that cost (lower convex hull of the fixed exits); a policy is worth its trouble only below it.
of last: cost over that of the last exit. % at k: utterances that stop at layer k. Policy `layer`:
one fixed exit for all. safe oracle: the earliest exit with no more word errors than the last,
paying one head; no policy can know it."""


def results_text(
    decoded: Sequence[Decoded],
    compared: Sequence[Decoded],
    *,
    command: str,
    figure: str,
    seed: int,
    now: datetime,
) -> str:
    """Return RESULTS.md.

    Args:
        decoded: The sets of the experiment.
        compared: Sets of other experiments, for rows in the tables.
        command: What the reader types to make this file again.
        figure: Path of the figure, relative to the file.
        seed: Of the bootstrap.
        now: Date of the header.
    """
    main = decoded[0].experiment
    everything = [*decoded, *compared]
    lines = environment_lines(everything, command, now)
    lines += ["", f"## {main}", ""]
    lines += model_lines([item.scored.header for item in everything])
    for title, unit in (("WER", "words"), ("CER", "characters")):
        lines += ["", f"### {title}", "", *error_table(everything, main, unit, seed)]
    lines += ["", *_LEGEND.splitlines(), *_interval_lines(everything, seed)]
    lines += ["", "### WER against cost", "", f"![WER against cost]({figure})"]
    if any(len(item.scored.header.policies) > MOST_DRAWN for item in decoded):
        lines += ["", *_FIGURE_LEGEND.splitlines()]
    if compared:
        lines += ["", *_COMPARED_LEGEND.splitlines()]
    studied = [item for item in tests_of(decoded) if len(item.fixed) > 1]
    if studied:
        lines += ["", "### Rules at equal cost", "", *LEGEND.splitlines()]
    for item in studied:
        lines += ["", *_equal_cost_section(item, decoded, seed)]
    if studied:
        lines += ["", "### Policies", "", *_POLICY_LEGEND.splitlines()]
    for item in studied:
        lines += ["", *_policy_section(item, decoded, seed)]
    return "\n".join(lines) + "\n"


def tests_of(decoded: Sequence[Decoded]) -> list[Decoded]:
    """Return the sets to report on: all but dev, or all if there is nothing else."""
    return [item for item in decoded if not item.is_dev] or list(decoded)


def _interval_lines(decoded: Sequence[Decoded], seed: int) -> list[str]:
    methods: dict[str, list[str]] = {}
    for item in decoded:
        method = word_intervals(item.scored, item.fixed[-1:], seed).method
        names = methods.setdefault(method, [])
        if item.set_name not in names:
            names.append(item.set_name)
    text = "; ".join(f"{method} ({', '.join(names)})" for method, names in methods.items())
    return [f"95 % interval, seed {seed}: {text}."]


def _equal_cost_section(item: Decoded, decoded: Sequence[Decoded], seed: int) -> list[str]:
    _, dev = dev_of(item, decoded)
    title = f"#### {item.tag}/{item.set_name}"
    if dev is None:
        return [title, "", "No development set was decoded: nothing to choose thresholds on."]
    return [title, "", *equal_cost_lines(dev, item.scored, seed)]


def _policy_section(item: Decoded, decoded: Sequence[Decoded], seed: int) -> list[str]:
    scored = item.scored
    dev_names, dev = dev_of(item, decoded)
    if dev is None:
        origin = (
            "Thresholds were chosen on this very set, for want of a dev set: these rows flatter."
        )
    else:
        origin = f"Thresholds were chosen on {' + '.join(dev_names)}."
    policies = (LAYER, *scored.header.policies)
    choices = [choice for name in policies for choice in choose(dev or scored, scored, name)]
    units = ", ".join(f"{name} in {p.unit}" for name, p in scored.header.policies.items())
    shares = overthinking(scored)
    return [
        f"#### {item.tag}/{item.set_name}",
        "",
        f"{origin} Units: {units or 'none'}.",
        "",
        *policy_table(scored, item.fixed, choices, seed),
        "",
        f"Overthinking: for {100 * shares.strictly_better:.1f} % of the utterances an earlier exit "
        f"has fewer word errors than the last, for {100 * shares.no_worse:.1f} % no more.",
    ]


def dev_of(item: Decoded, decoded: Sequence[Decoded]) -> tuple[list[str], ScoredSet | None]:
    """Return the dev sets decoded under the same tag, pooled."""
    devs = [other for other in decoded if other.is_dev and other.tag == item.tag]
    if item.is_dev or not devs:
        return [], None
    sets = [dev.scored for dev in devs]
    check_same_model([item.scored, *sets])
    return [dev.set_name for dev in devs], pool(sets)

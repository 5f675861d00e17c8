"""What a model card says of a model: data, exits, policies, times, use and limits, as found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from espnet_ee.data.training_set import TrainingSet
from espnet_ee.exit_costs import ExitCosts
from espnet_ee.measured import MeasuredLatency
from espnet_ee.report.choice import Choice, choose, worth_drawing
from espnet_ee.report.experiment import Decoded, character_intervals, word_intervals
from espnet_ee.report.results import dev_of, tests_of
from espnet_ee.report.tables import format_threshold, markdown
from espnet_ee.statistics import Intervals

_EXCESS = 0.005  # WER over the last exit's on dev that chosen thresholds allow
_SEED = 0  # of the bootstrap
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class CardFacts:
    """What is known of a packed model.

    Attributes:
        name: What users call it by.
        config: Its training's configuration.
        meta: Versions, as packed.
        training: What it was trained on.
        costs: Of its exits; None: not counted.
        decoded: Its records, of this very checkpoint; none: not decoded.
        latency: Times of this very checkpoint; None: not measured.
    """

    name: str
    config: Mapping[str, Any]
    meta: Mapping[str, Any]
    training: TrainingSet | None = None
    costs: ExitCosts | None = None
    decoded: Sequence[Decoded] = ()
    latency: MeasuredLatency | None = None

    @property
    def layers(self) -> tuple[int, ...]:
        """Blocks with an exit, as far as known."""
        if self.costs:
            return self.costs.layers
        return tuple((self.config.get("encoder_conf") or {}).get("exit_layers") or ())


def card_body(facts: CardFacts) -> str:
    """Markdown, headings from level 2 on."""
    chosen = _chosen(facts)
    sections = (
        _what_it_is(facts),
        _training(facts),
        _exits(facts),
        _policies(facts, chosen),
        _latency(facts),
        _use(facts, chosen),
        _limits(facts),
    )
    return "\n".join("\n".join(lines) + "\n" for lines in sections)


def _what_it_is(facts: CardFacts) -> Iterator[str]:
    config = facts.config
    tokens = f"{len(config['token_list'])} ({config['token_type']})"
    rate = (config.get("frontend_conf") or {}).get("fs", _UNKNOWN)
    yield "Speech recognition that stops early: each exit of the encoder can recognise, and every"
    yield "utterance stops at the first exit whose score reaches a threshold. Made with"
    yield "[ESPnet](https://github.com/espnet/espnet) and its plug-in `espnet-ee`."
    yield ""
    yield f"- encoder: `{config['encoder']}`, exits after layers {_listed(facts.layers)}"
    if facts.costs:
        yield f"- parameters: {facts.costs.num_parameters:,}"
    yield f"- tokens: {tokens}"
    yield f"- sampling rate: {rate}"
    versions = [f"{key} {facts.meta.get(key, _UNKNOWN)}" for key in ("espnet", "torch")]
    yield f"- made with: {', '.join(versions)}"


def _training(facts: CardFacts) -> Iterator[str]:
    yield "## Training data"
    yield ""
    for start in _starts(facts.config):
        yield f"- it started from: `{start}`"
    data = facts.training
    if data is None:
        yield "- unknown: the configuration names no training set"
        return
    yield f"- set: `{data.name}`{', with copies at other speeds' if data.perturbed else ''}"
    yield f"- utterances: {_number(data.utterances)}"
    yield f"- hours of audio: {_UNKNOWN if data.hours is None else f'{data.hours:.1f}'}"
    yield f"- speakers: {_number(data.speakers)}"
    yield f"- seed of the training: {facts.config.get('seed', _UNKNOWN)}"


def _starts(config: Mapping[str, Any]) -> list[str]:
    """Parameters that other trainings made, by the names of their files."""
    found = [
        (config.get("encoder_conf") or {}).get("checkpoint"),
        *(config.get("init_param") or ()),
    ]
    return [str(start) for start in found if start]


def _exits(facts: CardFacts) -> Iterator[str]:
    yield "## Exits"
    yield ""
    tags = groupby(facts.decoded, key=lambda item: item.tag)
    groups: list[Sequence[Decoded]] = [tuple(items) for _, items in tags] or [()]
    for items in groups:
        if items:
            yield f"Texts by {items[0].scored.header.decoding}:"
            yield ""
        yield from _exit_table(facts, items)
        yield ""
    if facts.costs:
        audio = facts.costs.operations[0].audio
        yield "Parameters: everything below an exit and its own head. GFLOPs/s: billions of"
        yield f"operations per second of audio, from the waveform, for an utterance of {audio}."
    else:
        yield "Parameters and operations were not counted."
    if facts.decoded:
        yield "WER and CER in %, all utterances stopped at that exit, with 95 % intervals:"
        yield f"{word_intervals(facts.decoded[0].scored, facts.decoded[0].fixed, _SEED).method}."
        yield "RESULTS.md has more."
    else:
        yield "There are no records of this checkpoint: no error rates are known."


def _exit_table(facts: CardFacts, items: Sequence[Decoded]) -> list[str]:
    columns, rows = ["layer"], [[str(layer)] for layer in facts.layers]
    if facts.costs:
        columns += ["parameters", "GFLOPs/s"]
        for row, size, gflops in zip(
            rows, facts.costs.parameters, facts.costs.operations[0].per_sec, strict=True
        ):
            row += [f"{size:,}", f"{gflops:.3f}"]
    for item in items:
        columns += [f"WER {item.set_name}", f"CER {item.set_name}"]
        words = word_intervals(item.scored, item.fixed, _SEED)
        characters = character_intervals(item.scored, item.fixed, _SEED)
        for index, (row, point) in enumerate(zip(rows, item.fixed, strict=True)):
            row += [_rate(point.wer, words, index), _rate(point.cer, characters, index)]
    return markdown(columns, rows)


def _chosen(facts: CardFacts) -> list[tuple[Decoded, list[str], list[Choice]]]:
    """For each test set the dev sets and what was chosen on them; nothing without dev sets."""
    found = []
    for item in tests_of(facts.decoded):
        names, dev = dev_of(item, facts.decoded)
        if dev is None or len(item.fixed) == 1:
            continue
        choices = [
            choice
            for policy in worth_drawing(dev)
            for choice in choose(dev, item.scored, policy)
            if choice.excess_target == _EXCESS
        ]
        found.append((item, names, choices))
    return found


def _policies(
    facts: CardFacts, chosen: Sequence[tuple[Decoded, list[str], list[Choice]]]
) -> Iterator[str]:
    yield "## Policies"
    yield ""
    if not chosen:
        yield "No thresholds were chosen: that needs records of a development set and of another."
        return
    yield f"Thresholds: the cheapest whose WER on {_listed(chosen[0][1])} is at most"
    yield f"{100 * _EXCESS:.1f} points over the last exit's there. The policies are those of lowest"
    yield "WER over all costs on that set."
    for item, _, choices in chosen:
        points = [item.fixed[-1], *(choice.result for choice in choices)]
        intervals = word_intervals(item.scored, points, _SEED)
        rows = [
            [
                "always the last exit" if place == 0 else f"`{point.policy}`",
                "" if place == 0 else format_threshold(point.threshold),
                _rate(point.wer, intervals, place),
                f"{point.gflops_per_second:.3f}",
                f"{100 * point.gflops_per_second / points[0].gflops_per_second:.0f} %",
                f"{point.mean_layer:.1f}",
            ]
            for place, point in enumerate(points)
        ]
        columns = ("policy", "threshold", f"WER {item.set_name}", "GFLOPs/s", "of last")
        yield ""
        yield f"`{item.tag}`:"
        yield ""
        yield from markdown((*columns, "mean layer"), rows)


def _latency(facts: CardFacts) -> Iterator[str]:
    yield "## Latency"
    yield ""
    times = facts.latency
    if times is None:
        yield "Not measured. On your machine: `espnet-ee cost MODEL --measure`."
        return
    where = times.setting
    yield f"One utterance at a time, {times.utterances} of them ({times.source},"
    yield f"{times.audio_sec:.1f} s), from the waveform to the text, every exit on the way scored;"
    yield f"{where.cpu}, {where.device}, {where.threads} thread(s), {times.date}."
    yield ""
    rows = [
        [str(layer), f"{half:.1f}", f"{most:.1f}", f"{rtf:.4f}"]
        for layer, half, most, rtf in zip(
            times.layers, times.p50_ms, times.p95_ms, times.rtf, strict=True
        )
    ]
    yield from markdown(("layer", "p50 ms", "p95 ms", "RTF"), rows)


def _use(
    facts: CardFacts, chosen: Sequence[tuple[Decoded, list[str], list[Choice]]]
) -> Iterator[str]:
    choice = chosen[0][2][0].result if chosen and chosen[0][2] else None
    words, arguments = "", ""
    if choice:
        value = format_threshold(choice.threshold)
        words = f" --policy {choice.policy} --threshold {value}"
        number = value if value.strip("+-") != "inf" else f'float("{value}")'
        arguments = f', policy="{choice.policy}", threshold={number}'
    yield "## Use"
    yield ""
    yield "```sh"
    yield "pip install espnet-ee"
    yield f"espnet-ee recognize --exp {facts.name}{words} audio.flac"
    yield "```"
    yield ""
    yield "```python"
    yield "from espnet_ee import EarlyExitSpeech2Text"
    yield "from espnet_ee.data.audio import read_audio"
    yield ""
    yield f'asr = EarlyExitSpeech2Text.from_pretrained("{facts.name}")'
    yield 'audio = read_audio("audio.flac", asr.sample_rate)'
    yield f"[result] = asr(audio.samples{arguments})"
    yield "print(result.text, result.layer)"
    yield "```"
    yield ""
    yield "ESPnet's own `asr_inference` reads the model too, once `espnet_ee` is imported, and"
    yield "decodes at the last exit."


def _limits(facts: CardFacts) -> Iterator[str]:
    trained = f"`{facts.training.name}`" if facts.training else "its training data"
    sets = list(dict.fromkeys(f"`{item.set_name}`" for item in facts.decoded))
    yield "## Limits"
    yield ""
    others = ", and of what it started from" if _starts(facts.config) else ""
    yield f"- It knows the language, accents, topics and microphones of {trained}{others};"
    yield "  no others were trained."
    if sets:
        yield f"- Measured on {_listed(sets)} only. Other audio may err more, and stop elsewhere."
        yield "- A threshold holds for this checkpoint, this way of decoding and audio like that of"
        yield "  the set it was chosen on."
    else:
        yield "- Error rates were not measured, so no threshold is known to be good."
    yield "- One training with one seed: how much figures differ between seeds was not measured."
    if facts.latency is None:
        yield "- Time and memory were not measured. Operations are no times."
    else:
        yield "- Times are those of one machine; memory and power were not measured."
    yield "- Texts have no punctuation or letter case but what the training texts had."


def _rate(value: float, intervals: Intervals, index: int) -> str:
    low, high = 100 * intervals.low[index], 100 * intervals.high[index]
    return f"{100 * value:.1f} ({low:.1f} - {high:.1f})"


def _number(value: int | None) -> str:
    return _UNKNOWN if value is None else f"{value:,}"


def _listed(items: Sequence[Any]) -> str:
    return ", ".join(map(str, items)) or _UNKNOWN

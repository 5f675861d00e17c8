"""The page: template, style, script, charts and data in one file that needs no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from string import Template

from espnet_ee.errors import ConfigError
from espnet_ee.measured import MeasuredLatency
from espnet_ee.report.page.clips import Clips
from espnet_ee.report.page.data import finite, study_data
from espnet_ee.report.page.markup import escape, facts
from espnet_ee.report.page.sections import exits_table, origin, overthinking_tables, sets_table
from espnet_ee.report.study import Study

PAGE_NAME = "index.html"
_ENTRY = "window.vegaEmbed = vegaEmbed;"  # what charts.js calls
_VEGA_LITE = "6.4"  # bundled by vl-convert, so that equal inputs are equal pages


def check_page_tools() -> None:
    """Say early, before any work, that the page needs its charts' library.

    Raises:
        ConfigError: vl-convert-python is not installed.
    """
    try:
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "The report's page needs vl-convert-python, which is not installed.",
            fix="pip install 'espnet-ee[report]'",
        ) from error


def page_text(
    studies: Sequence[Study],
    *,
    latency: MeasuredLatency | None,
    clips: Clips,
    command: str,
    seed: int,
    now: datetime,
) -> str:
    """Return ``index.html``.

    Args:
        studies: A set each, of one experiment.
        latency: Measured of its model, if it was.
        clips: Where audio comes from.
        command: What the reader types to make the page again.
        seed: Of the bootstrap.
        now: Date of the page.
    """
    check_page_tools()
    import vl_convert

    times = [_times_of(study, latency) for study in studies]
    data = [study_data(study, own, clips) for study, own in zip(studies, times, strict=True)]
    name = studies[0].item.experiment
    return _part("template.html").substitute(
        title=escape(name),
        style=_read("style.css"),
        sets="".join(
            _set_section(study, own, seed) for study, own in zip(studies, times, strict=True)
        ),
        between=sets_table(studies),
        audio=_audio_note(clips),
        provenance=facts(_provenance(studies, command, now)),
        library=_script(vl_convert.javascript_bundle(_ENTRY, vl_version=_VEGA_LITE)),
        data=_json(data),
        script=_script(_read("charts.js") + _read("examples.js") + _read("page.js")),
    )


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _part(name: str) -> Template:
    return Template(_read(name))


def _json(values: object) -> str:
    """JSON that no text in it can end the script element of."""
    text = json.dumps(finite(values), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _script(text: str) -> str:
    """JavaScript whose own strings do not end the script element."""
    return text.replace("</script", "<\\/script")


def _times_of(study: Study, latency: MeasuredLatency | None) -> MeasuredLatency | None:
    """The times, if they are of what decoded this set."""
    if latency is not None and latency.is_of(study.item.scored.header):
        return latency
    return None


def _set_section(study: Study, latency: MeasuredLatency | None, seed: int) -> str:
    name = escape(study.sweep.name)
    scored = study.item.scored
    size = f"{len(scored.seconds)} utterances, {scored.words.lengths.sum()} words, "
    size += f"{scored.seconds.sum() / 60:.1f} minutes."
    return (
        f'<section class="set" data-set="{name}"><h2>{name}</h2>\n<p>{size} {origin(study)}</p>\n'
        "<details><summary>Model and times</summary>\n"
        f"{facts(_model_facts(study, latency))}</details>\n"
        f"<h3>Exits</h3>\n{exits_table(study, latency, seed)}"
        f"<h3>Overthinking</h3>\n{overthinking_tables(study)}</section>\n"
    )


def _model_facts(study: Study, latency: MeasuredLatency | None) -> list[tuple[str, str]]:
    header = study.item.scored.header
    exits = f"{', '.join(map(str, header.exits))} of {header.num_layers} blocks"
    pairs = [
        ("parameters", f"{header.num_parameters:,}"),
        ("exits after", exits),
        ("checkpoint", f"{header.checkpoint_path}, sha256 {header.checkpoint_sha256[:12]}"),
        ("decoding", header.decoding),
    ]
    if latency is None:
        return [*pairs, ("time", "not measured")]
    where = latency.setting
    measured = f"{where.cpu}, {where.device}, {where.threads} thread(s), {latency.source}, "
    measured += f"{latency.utterances} utterances one by one, {latency.date}"
    return [*pairs, ("time", measured)]


def _audio_note(clips: Clips) -> str:
    if clips.folder is None:
        return "No audio: espnet-ee report EXP --audio dump/raw puts it into the page."
    if clips.without_room:
        return f"The page has no room for the audio of {clips.without_room} of them."
    return ""


def _provenance(studies: Sequence[Study], command: str, now: datetime) -> list[tuple[str, str]]:
    versions: Mapping[str, str] = studies[0].item.scored.header.versions
    known = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    return [
        ("made by", command),
        ("date", now.strftime("%a %b %d %H:%M:%S %Y")),
        ("decoded with", known),
    ]

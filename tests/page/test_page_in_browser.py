"""The page of the AN4 experiment in a real browser: no complaints, and the numbers of `sweep`."""

import argparse
import csv
import io
import re
import shutil

import numpy as np
import pytest
import soundfile
from record_factory import make_record, save

from espnet_ee.bin import report, sweep
from espnet_ee.latency import Setting
from espnet_ee.measured import MEASURED_NAME, MeasuredLatency
from espnet_ee.records import read_record
from espnet_ee.replay import replay
from espnet_ee.report.page.examples import early_and_wrong
from espnet_ee.scored_set import score_set

TAG = "inference_asr_model_valid.cer_ctc.ave"
MOST_BYTES = 3_000_000
POLICIES = ("entropy", "patience", "confidence")


def run(module, *words):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return module.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture(scope="module")
def experiment(root, tmp_path_factory):
    """Records of AN4 as committed, with times as if measured."""
    folder = tmp_path_factory.mktemp("an4") / "exits"
    shutil.copytree(root / "egs2/an4_ee/records/exits_2_4_6_8_10_12", folder)
    header = read_record(folder / TAG / "test/record.jsonl.gz").header
    MeasuredLatency(
        Setting(header.checkpoint_sha256, "cpu", "a processor", 1),
        *("2026-01-01", "noise of 5 s", header.exits, (10, 20, 30, 40, 50, 60), 9, 45.0),
        *(tuple(float(k) for k in header.exits), tuple(k + 0.5 for k in header.exits)),
        tuple(k / 1000 for k in header.exits),
    ).save(folder / MEASURED_NAME)
    run(report, folder, "--dev", "train_dev")
    return folder


@pytest.fixture
def page(browser, experiment):
    browser.resize(1280, 900)
    browser.open(experiment / "index.html")
    return browser


def swept(experiment, policy, capsys, thresholds):
    """Rows of ``espnet-ee sweep`` by threshold, as the terminal shows them."""
    capsys.readouterr()
    record = experiment / TAG / "test/record.jsonl.gz"
    run(sweep, record, "--policy", policy, f"--thresholds={','.join(thresholds)}")
    lines = [re.split(r"\s{2,}", line) for line in capsys.readouterr().out.splitlines()]
    return {row[2]: row for row in lines if len(row) > 5 and row[1] == policy}


def test_opens_without_complaints_and_is_small(page, experiment):
    assert page.complaints() == []
    assert (experiment / "index.html").stat().st_size < MOST_BYTES


def test_asks_the_network_for_nothing(page, experiment):
    assert (
        page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)") == []
    )
    html = (experiment / "index.html").read_text()
    assert not re.search(
        r'(?:src|href)="(?!data:)', re.sub(r"<script>.*?</script>", "", html, flags=re.S)
    )


@pytest.mark.parametrize("policy", POLICIES)
def test_numbers_are_those_of_sweep(page, experiment, policy, capsys):
    page.select_policy(policy)
    places = page.run("return policyNow().points.map((point) => point.cells[2])")
    tried = sorted({0, 1, len(places) // 3, len(places) // 2, len(places) - 1})
    expected = swept(experiment, policy, capsys, [places[place] for place in tried])
    for place in tried:
        page.change("slider", place, "input")
        row, shown = expected[places[place]], page.numbers()
        assert shown["threshold"] == row[2]
        assert [shown["WER %"], shown["95 % interval"], shown["CER %"]] == row[3:6]
        mix = shown["mix of fixed exits at this cost, %"]
        assert [mix, shown["mean layer"], shown["mean exit"]] == row[6:9]
        assert [shown["GFLOPs per second of audio"], shown["utterances per exit"]] == row[9:11]
        bars = page.run("return views['histogram-chart'].data('counts').map((bar) => bar.count)")
        assert bars == [int(count) for count in row[10].split()]
        ring = page.run("return views['wer-chart'].data('now')[0].wer")
        assert f"{ring:.2f}" == row[3]


def test_the_slider_moves_the_numbers(page):
    before = page.numbers()
    page.change("slider", 0, "input")
    assert page.numbers()["WER %"] != before["WER %"]


def test_thresholds_of_dev_are_marked_and_a_button_goes_there(page, experiment):
    rules = [
        line
        for line in (experiment / "RESULTS.md").read_text().splitlines()
        if line.startswith("|entropy|")
    ]
    chosen = {line.split("|")[3] for line in rules if line.count("|") > 12}
    buttons = page.run(
        "return [...document.querySelectorAll('#chosen button')].map((button) => {button.click();"
        "return document.getElementById('threshold').textContent})"
    )
    assert len(buttons) == 3
    assert set(buttons) == chosen


def test_lists_what_stops_early_and_wrong(page, experiment):
    scored = score_set(read_record(experiment / TAG / "test/record.jsonl.gz"))
    for place in (3, 20):
        page.change("slider", place, "input")
        threshold = float(page.numbers()["threshold"])
        wanted = early_and_wrong(scored, replay(scored, "entropy", threshold).picks)
        assert wanted > 0
        assert page.run("return document.getElementById('wrong-count').textContent").startswith(
            f"{wanted} of"
        )
        while page.run("return !document.getElementById('more').hidden"):
            page.run("document.getElementById('more').click()")
        assert page.run("return document.querySelectorAll('.example').length") == wanted


def test_an_exit_of_an_example_reads_as_its_text(page, experiment):
    page.change("slider", 0, "input")
    found = page.run("""
        const cells = (row) => [...row.querySelectorAll('td')].slice(2);
        const words = (row) => cells(row).map((cell) => cell.textContent);
        return [...document.querySelectorAll('.example')].slice(0, 10).map((card) => [
            card.querySelector('h3').textContent,
            [...card.querySelectorAll('tbody tr')].map((row) => words(row).join(' '))]);
    """)
    texts = {
        u.utt_id: [e.text for e in u.exits]
        for u in read_record(experiment / TAG / "test/record.jsonl.gz").utterances
    }
    assert len(found) == 10
    for utt_id, rows in found:
        assert [row.replace("\u2013", "").split() for row in rows] == [
            text.split() for text in texts[utt_id]
        ]


def test_finds_utterances(page):
    page.change("slider", 0, "input")
    first = page.run("return document.querySelector('.example h3').textContent")
    page.change("find", first.upper(), "input")
    assert page.run(
        "return [...document.querySelectorAll('.example h3')].map((head) => head.textContent)"
    ) == [first]
    page.change("find", "no such word", "input")
    assert page.run("return document.querySelectorAll('.example').length") == 0


def test_measured_time_is_another_axis(page):
    page.run("window.before = views['wer-chart']")
    page.change("axis", "rtf")
    page.wait("return views['wer-chart'] && views['wer-chart'] !== window.before")
    page.change("slider", 0, "input")
    assert page.numbers()["measured seconds per second of audio"] == "0.002"  # all at layer 2
    page.change("slider", 10_000, "input")  # a range takes its largest value
    assert page.numbers()["measured seconds per second of audio"] == "0.012"
    assert page.complaints() == []


def test_an_address_opens_what_it_was_copied_from(page, experiment):
    page.select_policy("confidence")
    page.change("slider", 7, "input")
    address, numbers = page.run("return location.hash"), page.numbers()
    page.open(experiment / "index.html", address)
    assert page.run("return document.getElementById('policy').value") == "confidence"
    assert page.numbers() == numbers


@pytest.mark.parametrize("width, height", [(1280, 900), (390, 844)])
def test_fits_the_screen(browser, experiment, width, height):
    browser.resize(width, height)
    browser.open(experiment / "index.html")
    browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    browser.change("slider", 0, "input")
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
    assert browser.complaints() == []


def test_marks_differ_without_colour(page):
    """Shapes, dashes and widths, not colour alone, tell marks and lines apart."""
    page.run("document.documentElement.style.filter = 'grayscale(1)'")
    styles = page.run("""
        return [...document.querySelectorAll('#wer-chart g.mark-line path')].map((path) =>
            ['stroke-width', 'stroke-dasharray'].map((name) => path.getAttribute(name)).join());
    """)
    assert len(set(styles)) == 3  # all policies, the mix, the selected one
    shapes = page.run("""
        return [...document.querySelectorAll('#wer-chart g.mark-symbol path')].map((path) =>
            [path.getAttribute('d').replace(/[^A-Z]/g, ''), path.getAttribute('fill')].join());
    """)
    assert len(set(shapes)) == 4  # fixed exits, dev's thresholds, oracle, this threshold
    assert (
        page.run("return getComputedStyle(document.querySelector('.error')).textDecorationLine")
        == "underline"
    )


def test_controls_have_names(page):
    unnamed = page.run("""
        return [...document.querySelectorAll('select, input')]
            .filter((one) => !one.labels.length).map((one) => one.id);
    """)
    assert unnamed == []


def test_the_csv_has_the_page_s_points(page, experiment):
    rows = list(csv.DictReader(io.StringIO((experiment / "results.csv").read_text())))
    entropy = [row for row in rows if row["policy"] == "entropy"]
    cells = page.run("return current().policies.entropy.points.map((point) => point.cells)")
    assert [f"{100 * float(row['wer']):.2f}" for row in entropy] == [cell[3] for cell in cells]
    assert np.all(np.diff([float(row["threshold"]) for row in entropy]) > 0)


def test_the_audio_of_an_example_plays(browser, tmp_path):
    record = make_record(12, seed=2)
    save(record, tmp_path / "exp" / "greedy" / "test" / "record.jsonl.gz")
    paths = {u.utt_id: tmp_path / "raw" / f"{u.utt_id}.wav" for u in record.utterances}
    (tmp_path / "raw" / "test").mkdir(parents=True)
    for path in paths.values():
        soundfile.write(path, np.sin(np.arange(24_000) / 20) / 2, 16_000)
    lines = [f"{utt_id} {path}\n" for utt_id, path in paths.items()]
    (tmp_path / "raw" / "test" / "wav.scp").write_text("".join(lines))
    run(report, tmp_path / "exp", "--audio", tmp_path / "raw")
    browser.open(tmp_path / "exp" / "index.html")
    browser.change("slider", 0, "input")
    browser.run("document.querySelector('audio').preload = 'auto'")
    browser.wait("return document.querySelector('audio').readyState >= 1")
    assert browser.run("return document.querySelector('audio').duration") == pytest.approx(
        1.5, abs=0.2
    )
    assert browser.complaints() == []


def test_one_exit_opens_without_complaints(browser, root, tmp_path):
    shutil.copytree(root / "egs2/an4_ee/records/exit_12", tmp_path / "exit_12")
    run(report, tmp_path / "exit_12", "--dev", "train_dev")
    browser.open(tmp_path / "exit_12" / "index.html")
    assert browser.complaints() == []
    assert browser.run("return document.getElementById('chosen').hidden")
    assert browser.run("return views['histogram-chart'].data('counts')[0].count") == 130

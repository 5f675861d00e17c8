"""Rules at equal cost: the table holds what replay gives, and says who published what."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from record_factory import make_record, table_record

from espnet_ee.baselines import fixed_exits, mix_hull, mix_wer, safe_oracle
from espnet_ee.replay import replay
from espnet_ee.report.equal_cost import BANDIT, PUBLISHED, SHARES, equal_cost_lines
from espnet_ee.rules.selection import within_cost
from espnet_ee.scored_set import score_set

POLICIES_PAGE = Path(__file__).resolve().parents[1] / "docs/policies.md"


@pytest.fixture(scope="module")
def sets():
    return score_set(make_record(150, seed=1, speakers=10)), score_set(make_record(120, seed=2))


@pytest.fixture(scope="module")
def lines(sets):
    return equal_cost_lines(*sets, seed=0)


def cells(lines, label):
    [line] = [line for line in lines if line.startswith(f"|{label}|")]
    return line.strip("|").split("|")[1:]


def test_a_row_is_what_replay_gives_at_the_threshold_of_dev(sets, lines):
    dev, test = sets
    last = fixed_exits(test)[-1].gflops_per_second
    row = cells(lines, "entropy *")
    for place, share in enumerate(SHARES):
        point = replay(test, "entropy", within_cost(dev, "entropy", share).threshold)
        wer, interval, cost = row[3 * place : 3 * place + 3]
        assert wer == f"{100 * point.wer:.2f}"
        assert cost == f"{100 * point.gflops_per_second / last:.0f}"
        low, high = map(float, interval.split(" - "))
        assert low <= float(wer) <= high


def test_mix_oracle_and_last_exit(sets, lines):
    test = sets[1]
    fixed = fixed_exits(test)
    mix = mix_wer(mix_hull(fixed), SHARES[1] * fixed[-1].gflops_per_second)
    assert cells(lines, "fixed exits, mixed")[3] == f"{100 * mix:.2f}"
    [text] = [line for line in lines if line.startswith("Always the last exit")]
    assert f"{100 * fixed[-1].wer:.2f} %" in text and f"{100 * safe_oracle(test).wer:.2f} %" in text


def test_every_kind_of_rule_has_a_row(lines):
    for label in ("logistic gate", "boosted gate", "excess gate", f"{BANDIT} *", "confidence *"):
        assert len(cells(lines, label)) == 9


def test_the_gap_is_worked_out_from_the_table(lines):
    [ours] = [re.match(r"Of ours, (.*) is best where", line) for line in lines if "Of ours" in line]
    found = [line for line in lines if line.startswith("- At ")]
    assert len(found) == 3
    for place, line in enumerate(found):
        assert f": {cells(lines, ours[1])[3 * place]} %." in line
        rival = re.search(r"set, ([\w ()]+), has ([\d.]+) %", line)
        theirs = [row for row in lines if " *|" in row and row.startswith("|")]
        wers = [float(row.strip("|").split("|")[1 + 3 * place]) for row in theirs]
        assert float(rival[2]) == min(wers) == float(cells(lines, f"{rival[1]} *")[3 * place])
        assert re.search(r"% of the gap .* closed\.$|costs more, \d+ %\.$|no gap", line)


def test_what_is_published_is_what_the_page_says():
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", POLICIES_PAGE.read_text(), re.MULTILINE)
    ours = {name for name, source in rows if source.startswith("ours") or source == "the same"}
    assert {name for name, _ in rows} - ours - {"layer"} == set(PUBLISHED) - {BANDIT}


def test_without_anything_to_learn_it_says_so():
    record = table_record([["a", "a"]] * 4, ["a"] * 4, entropy=[[-0.1, -0.1]] * 4)
    lines = equal_cost_lines(score_set(record), score_set(record), seed=0)
    assert any(line.startswith("No gates: All exits are as good") for line in lines)
    assert cells(lines, "entropy *")


def test_a_record_without_policies_still_has_a_table():
    record = table_record([["a", "b"]] * 4, ["b"] * 4)
    assert "fixed exits, mixed" in "\n".join(equal_cost_lines(*[score_set(record)] * 2, seed=0))

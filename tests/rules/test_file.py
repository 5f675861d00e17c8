"""Rule files: they come back, people may write them, and damaged ones are refused."""

from __future__ import annotations

import math

import pytest

from espnet_ee.errors import ConfigError
from espnet_ee.rules import AllOf, AnyOf, Calibrated, Condition, Single
from espnet_ee.rules.file import ChosenRule, read_rule, write_rule
from espnet_ee.rules.fitting import GATES, fit_gate

HEAD = "format: espnet-ee-rule\nversion: 1\n"


def rules(learnable):
    yield Single("entropy")
    yield AllOf((Condition("a", 0.5), Condition("b", -1.0)))
    yield AnyOf((Condition("a", 0.5),))
    yield Calibrated("p", "isotonic", (((0.0, 1.0), (0.2, 0.9)),))
    yield from (fit_gate(learnable, model, ("p", "noise")) for model in GATES)


def test_every_rule_comes_back(learnable, tmp_path):
    for rule in rules(learnable):
        for threshold in (-0.07123456789012345, math.inf, -math.inf):
            chosen = ChosenRule(
                rule, threshold, "p", (2, 4), "ab" * 32, {"for": "a test: of ünicode"}
            )
            write_rule(tmp_path / "rule.yaml", chosen)
            assert read_rule(tmp_path / "rule.yaml") == chosen


def test_a_person_may_write_one(tmp_path):
    (tmp_path / "rule.yaml").write_text(f"{HEAD}policy: entropy\nthreshold: -0.1\n")
    assert read_rule(tmp_path / "rule.yaml") == ChosenRule(Single("entropy"), -0.1)


def test_another_model_is_refused():
    chosen = ChosenRule(Single("entropy"), -0.1, checkpoint_sha256="aa")
    chosen.check_model("aa", (2, 4))
    with pytest.raises(ConfigError, match=r"another model(.|\n)*fix: +calibrate"):
        chosen.check_model("bb", (2, 4))
    ChosenRule(Single("entropy"), -0.1).check_model("bb", (2, 4))
    with pytest.raises(ConfigError, match=r"other exits(.|\n)*got: +exits at layers 2, 6"):
        ChosenRule(Single("entropy"), -0.1, exits=(2, 4)).check_model("aa", (2, 6))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no rule file"),
        ("a: [", "cannot be read"),
        ("- 1", "is no rule file"),
        ("policy: entropy\nthreshold: 1\n", "no rule file of this version"),
        (HEAD.replace("1", "2") + "policy: entropy\nthreshold: 1\n", "of this version"),
        (f"{HEAD}policy: entropy\ntreshold: 1\n", "treshold.*threshold"),
        (f"{HEAD}policy: entropy\n", "no threshold"),
        (f"{HEAD}policy: entropy\nthreshold: .nan\n", "no threshold"),
        (f"{HEAD}policy: entropy\nthreshold: yes\n", "no threshold"),
        (f"{HEAD}threshold: 1\n", "either a policy or a rule"),
        (f"{HEAD}threshold: 1\npolicy: a\nrule: {{kind: single, policy: a}}\n", "either"),
        (f"{HEAD}threshold: 1\nrule: {{kind: magic}}\n", "damaged rule"),
        (f"{HEAD}threshold: 1\nrule: {{kind: all_of}}\n", "damaged rule"),
        (f"{HEAD}threshold: 1\nrule: 3\n", "damaged rule"),
        (f"{HEAD}threshold: 1\nrule: {{kind: all_of, conditions: []}}\n", "damaged rule"),
        (f"{HEAD}threshold: 1\nrule: {{kind: all_of, conditions: [[a, .nan]]}}\n", "damaged rule"),
        (f"{HEAD}threshold: 1\nrule: {{kind: all_of, conditions: [[a, x]]}}\n", "damaged rule"),
        (f"{HEAD}threshold: 1\npolicy: a\nlook_back: [b]\n", "look_back is no policy"),
        (f"{HEAD}threshold: 1\npolicy: entropy\nexits: 2, 4\n", "no list of layers"),
    ],
)
def test_a_bad_file_is_refused(text, words, tmp_path):
    path = tmp_path / "rule.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_rule(path)


def test_numbers_with_exponents_come_back(tmp_path):
    """YAML takes 1e-05, as JSON writes it, for a text."""
    path = tmp_path / "rule.yaml"
    chosen = ChosenRule(AllOf((Condition("a", 1e-5), Condition("b", -2e-16))), 1e-7)
    write_rule(path, chosen)
    assert read_rule(path) == chosen
    path.write_text(f"{HEAD}policy: entropy\nthreshold: 1e-3\n")
    assert read_rule(path).threshold == 1e-3


def test_a_rule_of_another_number_of_exits_is_refused_whatever_its_file_says(learnable):
    rules_of_three = [fit_gate(learnable, "logistic", ("p",))]
    rules_of_three.append(Calibrated("p", "sigmoid", (((0.0,), (1.0,)),) * 2))
    for rule in rules_of_three:
        ChosenRule(rule, 0.5).check_model("aa", (2, 4, 6))
        with pytest.raises(ConfigError, match="another number of exits"):
            ChosenRule(rule, 0.5).check_model("aa", (2, 4, 6, 8))


@pytest.mark.parametrize(
    "change",
    [
        {"weights": [1.0]},
        {"policies": "p"},
        {"fill": []},
        {"exits": "two"},
    ],
)
def test_a_gate_that_was_edited_wrongly_is_damaged(change, learnable, tmp_path):
    import json

    rule = fit_gate(learnable, "logistic", ("p", "noise"))
    fields = {"kind": rule.kind, **rule.fields(), **change}
    (tmp_path / "rule.yaml").write_text(f"{HEAD}threshold: 1\nrule: {json.dumps(fields)}\n")
    with pytest.raises(ConfigError, match="damaged rule"):
        read_rule(tmp_path / "rule.yaml")


def test_a_tree_that_goes_round_in_circles_is_damaged(learnable, tmp_path):
    import json

    rule = fit_gate(learnable, "boosting", ("p", "noise"))
    fields = {"kind": rule.kind, **rule.fields()}
    fields["trees"] = [[[0, -1], [0.5, 0.0], [0, 0], [0, 0], [0.0, 1.0]]]
    (tmp_path / "rule.yaml").write_text(f"{HEAD}threshold: 1\nrule: {json.dumps(fields)}\n")
    with pytest.raises(ConfigError, match="damaged rule"):
        read_rule(tmp_path / "rule.yaml")

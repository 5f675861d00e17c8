"""Law 5 for choosers that learn: a replayed stream has the thresholds and exits of a live one."""

from __future__ import annotations

import numpy as np
import pytest
from model_factory import VARIANTS, make_recogniser, make_waves
from record_factory import save

from espnet_ee.bandit import ThresholdBandit
from espnet_ee.controller import CostController, CostCurve
from espnet_ee.errors import ConfigError
from espnet_ee.host.controlled import ControlledStream, check_same_checkpoint
from espnet_ee.host.decode_set import DecodeJob, decode_set
from espnet_ee.policies import build_policy, policy_names
from espnet_ee.records import RECORD_NAME, read_record
from espnet_ee.scored_set import LAYER, score_set
from espnet_ee.streams import ThresholdChooser, replay_stream

POLICIES = [name for name in policy_names() if name != LAYER]
CALLS = [1, 4]


@pytest.fixture(scope="module")
def asr(tmp_path_factory):
    return make_recogniser(tmp_path_factory.mktemp("stream"), **VARIANTS["calm"])


def decoded(asr, folder, waves):
    import soundfile

    folder.mkdir()
    for number, wave in enumerate(waves):
        soundfile.write(folder / f"{number}.wav", wave, 16000, subtype="FLOAT")
    lines = [f"u{number:02d} {folder}/{number}.wav" for number in range(len(waves))]
    (folder / "wav.scp").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "text").write_text("".join(f"{line.split()[0]} A B\n" for line in lines))
    decode_set(
        asr, DecodeJob(folder / "wav.scp", folder / "out", None, build_policy(LAYER), 4.0, 0)
    )
    return read_record(folder / "out" / RECORD_NAME)


@pytest.fixture(scope="module")
def dev(asr, tmp_path_factory):
    rng = np.random.default_rng(0)
    waves = make_waves(rng.integers(4000, 20000, 24).tolist(), seed=11)
    return score_set(decoded(asr, tmp_path_factory.mktemp("dev") / "dev", waves))


@pytest.fixture(scope="module")
def waves():
    """Tones in noise, then ones much louder than it: what they cost at a threshold differs."""
    rng = np.random.default_rng(1)
    quiet = make_waves(rng.integers(4000, 20000, 10).tolist(), seed=12)
    noise = [rng.normal(0, 0.3, len(wave)).astype(np.float32) for wave in quiet]
    return [*quiet, *(wave + add for wave, add in zip(quiet, noise, strict=True))]


@pytest.fixture(scope="module")
def stream(asr, waves, tmp_path_factory):
    return score_set(decoded(asr, tmp_path_factory.mktemp("test") / "test", waves))


class Noting(ThresholdChooser):
    """Notes what another chooser chose."""

    def __init__(self, inner):
        self.inner, self.thresholds = inner, []

    @property
    def threshold(self):
        return self.inner.threshold

    def observe(self, outcomes):
        self.thresholds += [self.threshold] * len(outcomes)
        self.inner.observe(outcomes)


def controller_of(dev, policy, call_size):
    curve = CostCurve.of(dev, policy)
    return CostController(curve, float(curve.costs[[0, -1]].mean()), call_size=call_size)


def bandit_of(dev, policy, call_size):
    return ThresholdBandit(dev, policy, 0.3, arms=4)


@pytest.mark.parametrize("make", [controller_of, bandit_of])
@pytest.mark.parametrize("call_size", CALLS)
@pytest.mark.parametrize("policy", POLICIES)
def test_replayed_control_is_live_control(policy, call_size, make, asr, dev, stream, waves):
    noting = Noting(make(dev, policy, call_size))
    live = list(ControlledStream(asr, policy, noting, call_size)(waves))
    replayed = replay_stream(
        stream, policy, make(dev, policy, call_size), range(len(waves)), call_size
    )
    assert replayed.thresholds.tolist() == noting.thresholds
    assert replayed.picks.tolist() == [result.exit_index for result in live]
    assert replayed.costs.tolist() == [result.gflops for result in live]
    assert len(set(noting.thresholds)) > 1


@pytest.mark.parametrize("policy", POLICIES)
def test_batches_do_not_matter(policy, asr, dev, waves, monkeypatch):
    """What is decided depends on the order and on the call, never on how a call is batched."""
    decided = []
    for batch_size in (1, 2, 16):
        monkeypatch.setattr(asr, "batch_size", batch_size)
        noting = Noting(controller_of(dev, policy, 5))
        live = list(ControlledStream(asr, policy, noting, 5)(waves))
        decided.append((noting.thresholds, [result.exit_index for result in live]))
    assert decided[0] == decided[1] == decided[2]


def test_a_stream_is_lazy(asr, dev, waves):
    taken = []

    def coming():
        for wave in waves:
            taken.append(1)
            yield wave

    results = ControlledStream(asr, "entropy", controller_of(dev, "entropy", 3), 3)(coming())
    assert not taken
    next(results)
    assert len(taken) == 3
    assert len(list(results)) == len(waves) - 1


def test_measured_seconds_are_what_the_chooser_hears_of(asr, waves):
    heard = []

    class Listening(ThresholdChooser):
        threshold = -1.0

        def observe(self, outcomes):
            heard.append(outcomes)

    results = list(ControlledStream(asr, "entropy", Listening(), 4, "seconds")(waves[:8]))
    assert [len(call) for call in heard] == [4, 4]
    for outcome, result in zip([o for call in heard for o in call], results, strict=True):
        assert outcome.scores == result.scores and outcome.seconds == result.seconds
        assert 0.0 < outcome.cost < 10.0
    rates = {round(o.cost / o.seconds, 9) for o in heard[0]}
    assert len(rates) == 1  # a call's time is shared out by length


def test_a_record_of_another_model_is_refused(asr, tmp_path):
    from record_factory import make_record

    record = make_record(3)
    save(record, tmp_path / "record.jsonl.gz")
    with pytest.raises(ConfigError, match="is the record of another model"):
        check_same_checkpoint(record, asr, str(tmp_path / "record.jsonl.gz"))

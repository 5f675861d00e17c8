"""The controlled stream once more, each utterance once, really decoded by a model of egs2/mini_ee.

python experiments/cost_control/live.py egs2/mini_ee/exp/asr_train_ee_mini_raw_en_bpe60
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from summarise import HERE, SET_NAMES, SHARES, read_sets

from espnet_ee.controller import CostController, CostCurve
from espnet_ee.data.audio import read_audio
from espnet_ee.data.kaldi import read_table
from espnet_ee.host.controlled import ControlledStream, check_same_checkpoint
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.records import RECORD_NAME, read_record
from espnet_ee.streams import replay_stream, stream_order

POLICY, SHARE = "entropy", SHARES[1]


def live(records: Path, exp: Path) -> None:
    """Decode, print how far the means are off, and compare with the replayed stream."""
    sets, recipe = read_sets(records), exp.resolve().parents[1]
    read = [read_record(records / name / RECORD_NAME) for name in SET_NAMES]
    asr = EarlyExitSpeech2Text.from_exp(exp, batch_size=1)
    check_same_checkpoint(read[0], asr, str(records))
    tests = [recipe / "dump/raw" / name / "wav.scp" for name in SET_NAMES[1:]]
    paths = {utt_id: path for table in tests for utt_id, path in read_table(table).items()}
    ids = [utterance.utt_id for record in read[1:] for utterance in record.utterances]
    clean = len(sets.clean.seconds)
    noisy = len(ids) - clean
    order = [*stream_order(clean, clean, 0), *(clean + stream_order(noisy, noisy, 0))]
    waves = (read_audio(recipe / paths[ids[row]], asr.sample_rate).samples for row in order)

    curve = CostCurve.of(sets.dev, POLICY)
    target = SHARE * float(curve.costs[-1])
    results = list(ControlledStream(asr, POLICY, CostController(curve, target))(waves))
    replayed = replay_stream(sets.stream, POLICY, CostController(curve, target), order)
    costs = np.array([result.gflops for result in results])
    seconds = np.array([result.seconds for result in results])
    parts = {"all": slice(None), "clean": slice(0, clean), "noisy": slice(clean, None)}
    for name, part in parts.items():
        off = costs[part].sum() / seconds[part].sum() / target - 1.0
        print(f"live, {POLICY}, {100 * SHARE:.0f} %, {name}: {100 * off:+.2f} % off the target")
    same = sum(r.exit_index == pick for r, pick in zip(results, replayed.picks, strict=True))
    print(f"{same} of {len(results)} exits are those of the replayed stream")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("exp", type=Path, help="whose recipe folder has dump/raw")
    parser.add_argument("--records", type=Path, default=HERE / "records")
    args = parser.parse_args()
    live(args.records, args.exp)
    sys.exit(0)

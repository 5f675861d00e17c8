"""Checkout mode: ESPnet's asr.sh runs the stages, on a tree of the same shape."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.recipe

# Options of ESPnet's asr.sh that asr_ee.sh has too, as docs/espnet_options.md lists them.
DOCUMENT = Path(__file__).resolve().parents[2] / "docs/espnet_options.md"
SHARED = re.findall(
    r"^\| `(\w+)` \| ([^|\s]*) ?\|", DOCUMENT.read_text().split("\n## ")[1], re.MULTILINE
)
# What matters of asr.sh: its options, and how it calls Python and keeps files.
ASR_SH = r"""#!/usr/bin/env bash
set -euo pipefail
OPTIONS
. utils/parse_options.sh
. ./path.sh
. ./cmd.sh
"${use_lm}" && { echo "a language model is wanted" >&2; exit 1; }
[ "${asr_speech_fold_length}" = 800 ] || { echo "samples for frames" >&2; exit 1; }
echo "stages ${stage} to ${stop_stage} of ${train_set}"
if [ -n "${speed_perturb_factors}" ]; then train_set="${train_set}_sp"; fi
if [ "${stage}" -le 1 ]; then
    local/data.sh
    for name in org/"${valid_set}" ${test_sets}; do
        mkdir -p dump/raw/"${name}"
        cp data/"${name#org/}"/* dump/raw/"${name}"
    done
fi
if [ "${stage}" -le 11 ] && [ "${stop_stage}" -ge 11 ]; then
    touch shape
    ${python} -m espnet2.bin.asr_train --config "${asr_config}" \
        --output_dir "${asr_exp}" --train_shape_file shape
fi
if [ "${stage}" -le 12 ] && [ "${stop_stage}" -ge 12 ]; then
    sets="${test_sets}"
    "${eval_valid_set}" && sets="org/${valid_set} ${sets}"
    for dset in ${sets}; do
        logdir="${asr_exp}/${inference_tag}/${dset}/logdir"
        mkdir -p "${logdir}"
        split -n "l/${inference_nj}" --numeric-suffixes=1 -a 1 --additional-suffix=.scp \
            dump/raw/"${dset}"/wav.scp "${logdir}/keys."
        for job in $(seq "${inference_nj}"); do
            ${python} -m espnet2.bin.asr_inference --ngpu 0 --key_file "${logdir}/keys.${job}.scp" \
                --data_path_and_name_and_type "dump/raw/${dset}/wav.scp,speech,sound" \
                --asr_train_config "${asr_exp}/config.yaml" \
                --asr_model_file "${asr_exp}/${inference_asr_model}" \
                --output_dir "${logdir}/output.${job}"
        done
    done
fi
"""
PARSE_OPTIONS = r"""
while [ $# -gt 0 ]; do
    name="${1#--}"
    [ -n "${!name+set}" ] || { echo "invalid option $1" >&2; exit 1; }
    printf -v "${name}" '%s' "$2"
    shift 2
done
"""


@pytest.fixture
def checkout(recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The recipe with ESPNET_ROOT set; it runs through the Python that stands in for training."""
    root = tmp_path_factory.mktemp("espnet")
    asr1 = root / "egs2/TEMPLATE/asr1"
    for name in ("scripts", "pyscripts", "steps", "utils"):
        (asr1 / name).mkdir(parents=True)
    (asr1 / "utils/parse_options.sh").write_text(PARSE_OPTIONS)
    options = [*(f"{name}={value}" for name, value in SHARED), "use_lm=true"]
    recipe.add_script(str(asr1 / "asr.sh"), ASR_SH.replace("OPTIONS", "\n".join(options)))
    (root / "espnet").mkdir()
    (root / "espnet/version.txt").write_text(importlib.metadata.version("espnet") + "\n")
    recipe.environment["ESPNET_ROOT"] = str(root)
    return recipe


def test_asr_sh_of_the_checkout_trains_and_decodes_our_model(checkout: Any) -> None:
    shown = checkout.succeed("--stop_stage", "13", "--speed_perturb_factors", "0.9 1.0")
    version = importlib.metadata.version("espnet")
    assert f"ESPnet: checkout {version}, installed {version}" in shown
    assert "stages 1 to 13 of train\n" in shown, "asr.sh adds _sp itself"
    (exp,) = checkout.folder.glob("exp/asr_train_raw_en_char_sp")
    tag = "inference_asr_model_valid.cer_ctc.ave"
    for name in ("test", "dev"):
        assert (exp / tag / name / "record.jsonl.gz").exists()
        assert len((exp / f"{tag}_exit01" / name / "text").read_text().splitlines()) == 4
    assert "--dev dev" in (exp / "RESULTS.md").read_text()


def test_records_are_left_to_stage_13(checkout: Any) -> None:
    checkout.succeed("--stop_stage", "12")
    assert not list(checkout.folder.glob("exp/*/RESULTS.md"))


def test_an_option_that_espnet_lacks_is_refused_unless_it_changes_nothing(checkout: Any) -> None:
    error = checkout.fail("--num_threads", "2")
    assert "ESPnet's asr.sh has no --num_threads." in error
    assert "unset ESPNET_ROOT" in error
    assert "stages 1 to 1 of" in checkout.succeed("--stop_stage", "1", "--num_threads", "1")


def test_checkout_and_installed_release_must_agree(checkout: Any) -> None:
    version = Path(checkout.environment["ESPNET_ROOT"]) / "espnet/version.txt"
    version.write_text("202301\n")
    error = checkout.fail()
    assert "checkout and installed ESPnet differ." in error
    assert "202301" in error and importlib.metadata.version("espnet") in error


def test_a_folder_that_is_no_checkout_is_named(checkout: Any, tmp_path: Path) -> None:
    checkout.environment["ESPNET_ROOT"] = str(tmp_path / "nowhere")
    assert "ESPNET_ROOT is not a checkout of ESPnet." in checkout.fail()

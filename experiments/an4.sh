#!/usr/bin/env bash
# Trainings on AN4 by the same number of updates; sourced by the experiments that compare them.
# A training: 1600 updates on batches of about 36 utterances of 3 s; AN4=FOLDER says where the corpus lies.
# Sourced with the options of run.sh, by a script whose working directory is its own folder.
# shellcheck disable=SC2034,SC2154  # variables shared with common.sh and the scripts
# shellcheck source=common.sh
. ../common.sh
parse_common "$@"
no_more

recipe_dir="${root}/egs2/an4_ee"
exp="${an4_exp}"  # data, statistics and models are shared
mkdir -p "${exp}"
last_set="test"
updates=1600 updates_per_epoch=160
if [ -n "${quick}" ]; then updates=4 updates_per_epoch=2; fi
if [ -z "${AN4:-}" ] && [ -d "${root}/../shared/data/an4" ]; then export AN4="${root}/../shared/data/an4"; fi

# an4_data: stages 1 to 10, once
an4_data() {
    local log="${exp}/data.log"
    (flock 9 && recipe data --expdir "${exp}" --stop_stage 10 --nj "${data_jobs:-2}") 9> "${exp}/.data.lock"
}

# learn JOB LEARNING_RATE ARGS [OPTION...]: stages 11 and 12
learn() {
    local job=$1 rate=$2 args=$3 tag=${1//\//_}
    shift 3
    recipe "${tag}" --expdir "${exp}" --stage 11 --stop_stage 12 --asr_tag "${tag}" --inference_tag greedy \
        --inference_nj 1 --asr_args "--seed ${job##*/seed} --batch_bins 1600000 --num_workers 1 \
        --max_epoch $((updates / updates_per_epoch)) --num_iters_per_epoch ${updates_per_epoch} \
        --optim_conf lr=${rate} --scheduler_conf max_steps=${updates} --scheduler_conf warmup_ratio=0.1 \
        --scheduler_conf hold_ratio=0.4 --keep_nbest_models 3 --use_tensorboard false --use_matplotlib false \
        ${args}" "$@" && keep "${job}" "${exp}/asr_${tag}/greedy" train_dev test
}

# borrow JOB OTHER EXPERIMENT: the records of another experiment's job, which is trained if it has none
borrow() {
    local from
    from="../$3/${records#"${here}/"}/$2"
    (cd "../$3" && ./run.sh --ngpu "${ngpu}" ${quick:+--quick} --only "$2") && keep "$1" "${from}" train_dev test
}

# truncated JOB SINGLE: the model of the job SINGLE, its one head read behind every second block
truncated() {
    local job=$1 tag=${1//\//_} single="${exp}/asr_${2//\//_}"
    model "$2"
    mkdir -p "${exp}/asr_${tag}"
    cp "${single}/valid.cer_ctc.ave.pth" "${exp}/asr_${tag}/"
    "${PYTHON:-python3}" - "${single}/config.yaml" "${exp}/asr_${tag}/config.yaml" <<'PYTHON'
import sys
import yaml

config = yaml.safe_load(open(sys.argv[1], encoding="utf-8"))
config["encoder_conf"]["exit_layers"] = [2, 4, 6, 8, 10, 12]
config["model_conf"]["exit_heads"] = "shared"
yaml.safe_dump(config, open(sys.argv[2], "w", encoding="utf-8"))
PYTHON
    recipe "${tag}" --expdir "${exp}" --stage 12 --stop_stage 12 --asr_tag "${tag}" --inference_tag greedy \
        --inference_nj 1 && keep "${job}" "${exp}/asr_${tag}/greedy" train_dev test
}

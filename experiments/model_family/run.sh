#!/usr/bin/env bash
# Six ways to train exits on egs2/mini_ee, by the same number of updates; see README.md.
# Everything resumes: run it again after an interruption. What has records is not trained again.
#   ./run.sh --jobs 2          all trainings, seeds 0 1 2: about 3 hours on two cores
#   ./run.sh --seeds 0         the first seed only
#   ./run.sh --list            what is left to do; --only JOB does one of them
#   ./run.sh --quick           a few updates of everything: does it run?
# shellcheck disable=SC2034,SC2154  # variables shared with ../common.sh
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=../common.sh
. ../common.sh
# shellcheck source=../pretraining.sh
. ../pretraining.sh
parse_common "$@"
no_more

recipe_dir="${root}/egs2/mini_ee"
sets="test_clean test_noisy" last_set=test_noisy
updates_per_epoch=56
epochs=20       # of each training, and of both parts of those in two parts together
part_one=14     # of these: the model with one exit
pretraining=20
longest=0       # text over frames of attention searches; 0: they end by themselves
if [ -n "${quick}" ]; then epochs=2 part_one=1 pretraining=1 longest=0.1 updates_per_epoch=3; fi
hubert_options=(--asr_config "${here}/conf/hubert_ee.yaml" --feats_normalize none)

jobs_of() { for variant in ctc aed hubert_ee retrofit distillation layer_drop; do echo "${variant}/seed$1"; done; }

# stages FIRST LAST [OPTION...]
stages() { recipe "${tag}" --expdir "${exp}" --inference_nj 1 --eval_valid_set false --stage "$1" --stop_stage "$2" "${@:3}"; }

# learn TAG EPOCHS ARGS [OPTION...]: stages 11 and 12
learn() {
    local tag=$1
    stages 11 12 --asr_tag "${tag}" --inference_tag greedy --asr_args "--seed ${seed} --max_epoch $2 \
        --num_iters_per_epoch ${updates_per_epoch} --scheduler_conf max_steps=$(($2 * updates_per_epoch)) $3" "${@:4}"
}

# heads TAG BACKBONE ARGS OPTION...: the second part, body and last head frozen
heads() {
    learn "$1" $((epochs - part_one)) "--freeze_param encoder ctc --best_model_criterion valid,cer_exits,min $3" \
        --pretrained_model "${exp}/asr_$2/valid.cer_ctc.ave.pth" \
        --inference_asr_model valid.cer_exits.ave.pth "${@:4}"
}

run_job() {
    local variant=${1%%/*} seed=${1##*/seed}
    local tag="${variant}_${seed}" share="distillation_conf.share=0.3"
    case "${variant}" in
        ctc) learn "${tag}" "${epochs}" "" ;;
        distillation) learn "${tag}" "${epochs}" "--model_conf distillation=sequence --model_conf ${share}" ;;
        layer_drop) learn "${tag}" "${epochs}" "--encoder_conf layer_drop_rate=0.1" ;;
        aed)
            learn "${tag}" "${epochs}" "" --asr_config "${here}/conf/aed.yaml"
            stages 12 12 --asr_tag "${tag}" --inference_tag attention \
                --inference_args "--decoder attention --beam_size 5 --maxlenratio ${longest}"
            keep_sets "aed_attention/seed${seed}" attention
            ;;
        retrofit)
            learn "single_${seed}" "${part_one}" "--encoder_conf exit_layers=[6]"
            heads "${tag}" "single_${seed}" "--model_conf exit_head=bilstm --model_conf exit_head_conf.units=72"
            ;;
        hubert_ee)
            learn "hubert_${seed}" "${part_one}" "--encoder_conf exit_layers=[6] \
                --encoder_conf checkpoint=${exp}/pretrained/hubert.pth" "${hubert_options[@]}"
            heads "${tag}" "hubert_${seed}" "" "${hubert_options[@]}"
            ;;
    esac
    keep_sets "$1" greedy
}

# keep_sets JOB INFERENCE_TAG
keep_sets() {
    # shellcheck disable=SC2086  # a list
    keep "$1" "${exp}/asr_${tag}/$2" ${sets}
}

# data: stages 1 to 10 for both encoders, and the small HuBERT, once
data() {
    local tag=data
    stages 1 10
    stages 10 10 "${hubert_options[@]}"
    pretrain "${here}/conf/hubert_pretrain.yaml" "${recipe_dir}"/dump/raw/{train,dev}/wav.scp \
        --max_epoch "${pretraining}" --num_iters_per_epoch "${updates_per_epoch}"
}

if [ -z "${list}" ]; then (flock 9 && data) 9> "${exp}/.data.lock"; fi
run_jobs
if [ -z "${list}" ]; then summarise; fi

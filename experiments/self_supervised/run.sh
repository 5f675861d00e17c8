#!/usr/bin/env bash
# Exits on a HuBERT of 12 blocks that was pre-trained on the same speech without its texts; see README.md.
# Needs a GPU: pre-training takes 10,000 updates on batches of 6 minutes. Everything resumes.
# The corpora: AN4=FOLDER LIBRISPEECH=FOLDER SPEECHOCEAN=FOLDER.
#   ./run.sh --ngpu 1 --jobs 4   pre-training once, then all trainings, seeds 0 1 2
#   ./run.sh --list              what is left to do; --only JOB does one of them
#   ./run.sh --quick             a few updates of two ways, one test set, on the CPU: does it run?
# shellcheck disable=SC2034,SC2154  # variables shared with ../common.sh
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=../common.sh
. ../common.sh
# shellcheck source=../pretraining.sh
. ../pretraining.sh
parse_common "$@"
no_more

recipe_dir="${root}/egs2/pooled_ee"
ways="scratch joint two_stage mixed frozen"
sets="an4_test ls_test so_adults so_children"
updates=4000 part_one=2800 updates_per_epoch=100  # part one: the model with one exit, where there are two parts
pretraining=100                                   # epochs of as many updates
pretrain_options=()
if [ -n "${quick}" ]; then
    ways="joint two_stage" sets=an4_test updates=4 part_one=2 updates_per_epoch=2 pretraining=1
    pretrain_options=(--batch_bins 400000)
fi
last_set="${sets##* }"
options=(--asr_config "${here}/conf/finetune.yaml" --feats_normalize none)
weights="--encoder_conf checkpoint=${exp}/pretrained/hubert.pth"

jobs_of() { for way in ${ways}; do echo "${way}/seed$1"; done; }

# learn TAG UPDATES SEED ARGS [OPTION...]: stage 11
learn() {
    recipe "$1" --expdir "${exp}" --stage 11 --stop_stage 11 --asr_tag "$1" "${options[@]}" --asr_args "--seed $3 \
        --max_epoch $(($2 / updates_per_epoch)) --num_iters_per_epoch ${updates_per_epoch} \
        --scheduler_conf max_steps=$2 --use_tensorboard false --use_matplotlib false $4" "${@:5}"
}

# part_two TAG SEED ARGS: goes on from the model with one exit, which two ways share
part_two() {
    local single="single_seed$2"
    (flock 9 && learn "${single}" "${part_one}" "$2" "--encoder_conf exit_layers=[12] ${weights}") \
        9> "${exp}/.${single}.lock"
    learn "$1" $((updates - part_one)) "$2" "$3" --pretrained_model "${exp}/asr_${single}/valid.cer_ctc.ave.pth"
}

run_job() {
    local tag=${1//\//_} seed=${1##*/seed} model=valid.cer_ctc.ave.pth
    case "$1" in
        scratch/*) learn "${tag}" "${updates}" "${seed}" "--encoder_conf freeze_cnn=false" ;;
        joint/*) learn "${tag}" "${updates}" "${seed}" "${weights}" ;;
        frozen/*) learn "${tag}" "${updates}" "${seed}" "${weights} --freeze_param encoder" ;;
        mixed/*) part_two "${tag}" "${seed}" "" ;;
        two_stage/*)
            model=valid.cer_exits.ave.pth
            part_two "${tag}" "${seed}" "--freeze_param encoder ctc --best_model_criterion valid,cer_exits,min"
            ;;
    esac
    recipe "${tag}" --expdir "${exp}" --stage 12 --stop_stage 12 --asr_tag "${tag}" --inference_tag greedy \
        --inference_asr_model "${model}" --test_sets "${sets}" --eval_valid_set false "${options[@]}"
    # shellcheck disable=SC2086  # a list
    keep "$1" "${exp}/asr_${tag}/greedy" ${sets}
}

# data: stages 1 to 10, and the small HuBERT, once. It hears speechocean762's training speakers as well
data() {
    local more="${exp}/speechocean" dump="${recipe_dir}/dump/raw"
    recipe data --expdir "${exp}" --test_sets "${sets}" --stop_stage 10 "${options[@]}"
    if [ -e "${exp}/pretrained/hubert.pth" ]; then return; fi
    "${PYTHON:-python3}" -m espnet_ee.data.speechocean "${SPEECHOCEAN}/train" "${more}" > "${exp}/speechocean.log"
    cat "${dump}/train/wav.scp" "${more}"_{adults,children}/wav.scp > "${exp}/untranscribed.scp"
    pretrain "${here}/conf/pretrain.yaml" "${exp}/untranscribed.scp" "${dump}/dev/wav.scp" \
        --max_epoch "${pretraining}" --num_iters_per_epoch "${updates_per_epoch}" "${pretrain_options[@]}"
}

if [ -z "${list}" ]; then (flock 9 && data) 9> "${exp}/.data.lock"; fi
run_jobs
if [ -z "${list}" ]; then summarise; fi

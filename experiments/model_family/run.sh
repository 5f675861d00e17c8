#!/usr/bin/env bash
# Six ways to train exits on egs2/mini_ee, by the same number of updates; see README.md.
# Everything resumes: run it again after an interruption. What has records is not trained again.
#   ./run.sh                   all trainings, seeds 0 1 2: about 3 hours on two cores
#   ./run.sh --seeds 0         the first seed only
#   ./run.sh --quick           a few updates of everything, into exp_quick: does it run?
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seeds="0 1 2"
jobs=2
updates_per_epoch=56
epochs=20       # of each training, and of both parts of those in two parts together
part_one=14     # of these: the model with one exit
pretraining=20
longest=0       # text over frames of attention searches; 0: they end by themselves
quick=
variants="ctc aed hubert_ee retrofit distillation layer_drop"
while [ $# -gt 0 ]; do
    case "$1" in
        --seeds) seeds=$2; shift 2 ;;
        --jobs) jobs=$2; shift 2 ;;
        --variants) variants=$2; shift 2 ;;
        --quick) quick=1; seeds=0; epochs=2; part_one=1; pretraining=1; longest=0.1; updates_per_epoch=3; shift ;;
        *) echo "run.sh: there is no option $1" >&2; sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done

here=$PWD
root=$(cd ../.. && pwd)
recipe="${root}/egs2/mini_ee"
exp="${here}/exp${quick:+_quick}"
records="${here}/records"
if [ -n "${quick}" ]; then records="${exp}/records"; fi
# shellcheck source=../../egs2/TEMPLATE_ee/path.sh
. "${recipe}/path.sh"

# recipe NAME...: run.sh of the recipe, its output in exp/NAME.log
recipe() {
    local name=$1 log
    shift
    log="${exp}/${name}.log"
    if ! (cd "${recipe}" && ./run.sh --expdir "${exp}" --inference_nj 1 --eval_valid_set false "$@") >> "${log}" 2>&1; then
        echo "${name}: failed, see ${log}" >&2
        tail -n 5 "${log}" >&2
        return 1
    fi
}

# budget EPOCHS SEED: the options of a training of so many epochs
budget() {
    echo "--seed $2 --max_epoch $1 --num_iters_per_epoch ${updates_per_epoch}" \
        "--scheduler_conf max_steps=$(($1 * updates_per_epoch))"
}

# keep TAG VARIANT SEED INFERENCE_TAG: copy the records that the table is made of
keep() {
    local set
    for set in test_clean test_noisy; do
        mkdir -p "${records}/$2/seed$3/${set}"
        cp "${exp}/asr_$1/$4/${set}/record.jsonl.gz" "${records}/$2/seed$3/${set}/"
    done
}

# learn TAG EPOCHS SEED ARGS [OPTION...]: stages 11 and 12
learn() {
    local tag=$1 epochs=$2 seed=$3 args=$4
    shift 4
    recipe "${tag}" --stage 11 --stop_stage 12 --asr_tag "${tag}" --inference_tag greedy \
        --asr_args "$(budget "${epochs}" "${seed}") ${args}" "$@"
}

ctc() {
    learn "ctc_$1" "${epochs}" "$1" "" && keep "ctc_$1" ctc "$1" greedy
}

distillation() {
    learn "distillation_$1" "${epochs}" "$1" \
        "--model_conf distillation=sequence --model_conf distillation_conf.share=0.3" &&
        keep "distillation_$1" distillation "$1" greedy
}

layer_drop() {
    learn "layer_drop_$1" "${epochs}" "$1" "--encoder_conf layer_drop_rate=0.1" &&
        keep "layer_drop_$1" layer_drop "$1" greedy
}

aed() {
    learn "aed_$1" "${epochs}" "$1" "" --asr_config "${here}/conf/aed.yaml" &&
        recipe "aed_$1" --stage 12 --stop_stage 12 --asr_tag "aed_$1" --inference_tag attention \
            --inference_args "--decoder attention --beam_size 5 --maxlenratio ${longest}" &&
        keep "aed_$1" aed_attention "$1" attention && keep "aed_$1" aed "$1" greedy
}

# heads TAG BACKBONE SEED ARGS OPTION...: the second part, body and last head frozen
heads() {
    local tag=$1 backbone=$2 seed=$3 args=$4
    shift 4
    learn "${tag}" $((epochs - part_one)) "${seed}" \
        "--freeze_param encoder ctc --best_model_criterion valid,cer_exits,min ${args}" \
        --pretrained_model "${exp}/asr_${backbone}/valid.cer_ctc.ave.pth" \
        --inference_asr_model valid.cer_exits.ave.pth "$@"
}

retrofit() {
    learn "single_$1" "${part_one}" "$1" "--encoder_conf exit_layers=[6]" &&
        heads "retrofit_$1" "single_$1" "$1" "--model_conf exit_head=bilstm --model_conf exit_head_conf.units=72" &&
        keep "retrofit_$1" retrofit "$1" greedy
}

hubert_ee() {
    local options=(--asr_config "${here}/conf/hubert_ee.yaml" --feats_normalize none)
    local weights="--encoder_conf checkpoint=${exp}/pretrained/hubert.pth"
    learn "hubert_$1" "${part_one}" "$1" "--encoder_conf exit_layers=[6] ${weights}" "${options[@]}" &&
        heads "hubert_ee_$1" "hubert_$1" "$1" "" "${options[@]}" &&
        keep "hubert_ee_$1" hubert_ee "$1" greedy
}

# Self-supervised pre-training, once: k-means of MFCC as targets, ESPnet's HuBERT task, torchaudio's names.
pretrain() (
    local out="${exp}/pretrained" train=dump/raw/train dev=dump/raw/dev
    cd "${recipe}"  # wav.scp holds paths from there
    if [ -e "${out}/hubert.pth" ]; then return; fi
    mkdir -p "${out}"
    "${PYTHON}" "${here}/pretrain.py" targets "${train}/wav.scp" "${dev}/wav.scp" --out "${out}"
    "${PYTHON}" -m espnet2.bin.hubert_train --config "${here}/conf/hubert_pretrain.yaml" \
        --max_epoch "${pretraining}" --num_iters_per_epoch "${updates_per_epoch}" \
        --token_list "${out}/tokens.txt" --use_preprocessor true --token_type word \
        --train_data_path_and_name_and_type "${train}/wav.scp,speech,sound" \
        --train_data_path_and_name_and_type "${out}/train.km,text,text" \
        --valid_data_path_and_name_and_type "${dev}/wav.scp,speech,sound" \
        --valid_data_path_and_name_and_type "${out}/dev.km,text,text" \
        --train_shape_file "${exp}/asr_stats_raw_en_bpe60/train/speech_shape" \
        --valid_shape_file "${exp}/asr_stats_raw_en_bpe60/valid/speech_shape" \
        --resume true --ngpu 0 --output_dir "${out}/train" > "${out}/train.log" 2>&1 || {
        echo "pre-training: failed, see ${out}/train.log" >&2
        tail -n 5 "${out}/train.log" >&2
        return 1
    }
    "${PYTHON}" "${here}/pretrain.py" export "${out}/train/valid.acc_m.best.pth" --out "${out}/hubert.pth"
)

mkdir -p "${exp}"
export OMP_NUM_THREADS=1
recipe data --stop_stage 10
recipe data --stage 10 --stop_stage 10 --asr_config "${here}/conf/hubert_ee.yaml" --feats_normalize none
case " ${variants} " in *" hubert_ee "*) pretrain ;; esac

export exp here recipe records longest epochs part_one updates_per_epoch
export -f recipe budget keep learn heads ctc aed distillation layer_drop retrofit hubert_ee
# shellcheck disable=SC2016  # the inner shell expands it
for seed in ${seeds}; do
    for variant in ${variants}; do
        if [ ! -e "${records}/${variant}/seed${seed}/test_noisy/record.jsonl.gz" ]; then echo "${variant} ${seed}"; fi
    done
done |
    xargs -r -P "${jobs}" -L 1 bash -c 'set -euo pipefail; "$0" "$1" && echo "$0, seed $1: done"'
"${PYTHON}" summarise.py "${records}" --out "$([ -n "${quick}" ] && echo "${exp}" || echo "${here}")/RESULTS.md"

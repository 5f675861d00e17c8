#!/usr/bin/env bash
# Self-supervised pre-training of a small HuBERT; sourced by the experiments that fine-tune one, after common.sh.
# First iteration only: k-means of MFCC as targets, ESPnet's own HuBERT task, exported in torchaudio's names.
# shellcheck disable=SC2154  # variables of common.sh and the scripts

# pretrain CONFIG TRAIN_SCP DEV_SCP [OPTION...]: once, into ${exp}/pretrained; hubert.pth there is what fine-tuning reads
pretrain() {
    local out="${exp}/pretrained" part
    if [ -e "${out}/hubert.pth" ]; then return; fi
    for part in train dev; do mkdir -p "${out}/${part}"; done
    cp "$2" "${out}/train/wav.scp"
    cp "$3" "${out}/dev/wav.scp"
    if ! (cd "${recipe_dir}" && learn_units "${@:1:1}" "${@:4}") > "${out}/train.log" 2>&1; then
        echo "pre-training: failed, see ${out}/train.log" >&2
        tail -n 5 "${out}/train.log" >&2
        return 1
    fi
}

# learn_units CONFIG [OPTION...]: in the recipe's folder, from where wav.scp counts
learn_units() {
    local config=$1 part files=()
    shift
    "${PYTHON:-python3}" "${root}/experiments/pretrain.py" targets "${out}"/{train,dev}/wav.scp || return
    for part in train dev; do
        local name="${part/dev/valid}"
        files+=(--"${name}_data_path_and_name_and_type" "${out}/${part}/wav.scp,speech,sound"
            --"${name}_data_path_and_name_and_type" "${out}/${part}/units,text,text"
            --"${name}_shape_file" "${out}/${part}/speech_shape")
    done
    "${PYTHON:-python3}" -m espnet2.bin.hubert_train --config "${config}" "${files[@]}" \
        --token_list "${out}/train/tokens.txt" --use_preprocessor true --token_type word \
        --resume true --ngpu "${ngpu}" --output_dir "${out}/exp" "$@" || return
    "${PYTHON:-python3}" "${root}/experiments/pretrain.py" export "${out}/exp/valid.acc_m.best.pth" \
        --out "${out}/hubert.pth"
}

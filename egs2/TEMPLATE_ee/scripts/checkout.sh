#!/usr/bin/env bash
# Checkout mode: with ESPNET_ROOT set, the stages are those of ESPnet's own asr.sh, with our classes.
# shellcheck disable=SC2154  # variables are those of asr_ee.sh

# Runs the stages asked for; then, for stage 13, writes the record of each set and the report.
run_checkout() {
    local asr1="${ESPNET_ROOT}/egs2/TEMPLATE/asr1" name options
    if [ ! -f "${asr1}/asr.sh" ]; then
        die "ESPNET_ROOT is not a checkout of ESPnet." "${ESPNET_ROOT}" "a folder with egs2/TEMPLATE/asr1/asr.sh" \
            "git clone https://github.com/espnet/espnet, or unset ESPNET_ROOT"
    fi
    check_versions
    for name in asr.sh scripts pyscripts steps utils; do ln -sfn "${asr1}/${name}" "${name}"; done
    checkout_options
    log "${ESPNET_ROOT}: ./asr.sh ${options[*]@Q}"
    ./asr.sh "${options[@]}"
    if [ "${stage}" -le 13 ] && [ "${stop_stage}" -ge 13 ] && [ -z "$(left_out 13)" ]; then report_checkout; fi
}

# ESPnet's configurations and scripts change between releases: those of the checkout go with that release only.
check_versions() {
    local checkout installed
    checkout=$(cat "${ESPNET_ROOT}/espnet/version.txt")
    installed=$("${PYTHON}" -c 'import importlib.metadata as m; print(m.version("espnet"))')
    log "ESPnet: checkout ${checkout}, installed ${installed}"
    if [ "${checkout}" != "${installed}" ]; then
        die "checkout and installed ESPnet differ." "${checkout} in ${ESPNET_ROOT}, ${installed} in ${PYTHON}" \
            "the same release" "git -C ${ESPNET_ROOT} checkout v.${installed}"
    fi
}

# Sets options: what asr.sh has of ours. What it lacks must have its default value.
checkout_options() {
    local known name
    known=" $(names_in < asr.sh | tr '\n' ' ')"
    options=()
    for name in $(lines_of "${template}/asr_ee.sh" | names_in); do
        if [ "${name}" = python ]; then continue; fi
        if [[ "${known}" == *" ${name} "* ]]; then
            if [ -n "${!name}" ]; then options+=("--${name}" "${!name}"); fi
        elif [ "${!name}" != "$(default_of "${name}")" ]; then
            die "ESPnet's asr.sh has no --${name}." "--${name} ${!name}" "its default" "unset ESPNET_ROOT"
        fi
    done
    options+=(--train_set "${prepared_set}")  # it adds _sp itself
    options+=(--asr_speech_fold_length "$((asr_speech_fold_length / 100))")  # and multiplies by 100
    options+=(--python "${template}/utils/python_ee")
}

# default_of NAME: its value in asr_ee.sh
default_of() { lines_of "${template}/asr_ee.sh" | sed -n "s/^$1=\([^ ]*\).*/\1/p"; }

# asr.sh joins the texts of jobs; records and exits of each set are joined here.
report_checkout() {
    local set tag="${asr_exp}/${inference_tag}" data jobs
    for set in "${decode_sets[@]}"; do
        data="${data_feats}/${set}"
        if [ ! -d "${tag}/${set}/logdir" ]; then  # the validation set, unfiltered
            data="${data_feats}/org/${set}"
            ln -sfn "org/${set}" "${tag}/${set}"
        fi
        jobs=$(find "${tag}/${set}/logdir/" -maxdepth 1 -name 'output.*' | wc -l)
        py espnet_ee.data.join_outputs "${tag}" "${set}" --num_jobs "${jobs}" --wav_scp "${data}/wav.scp"
    done
    py espnet_ee.bin.main report "${asr_exp}" --dev "${valid_set}"
}

#!/usr/bin/env bash
# Stages 10 to 16: statistics, training, decoding, scoring, packing, upload.
# shellcheck disable=SC2154  # variables are those of asr_ee.sh

# training_options TRAIN: options that stages 10 and 11 share, in the array common; TRAIN holds wav.scp and text
training_options() {
    require asr_config
    local train="${data_feats}/${train_set}" valid="${data_feats}/${valid_set}" overrules
    read -r -a overrules <<< "${asr_args}"
    common=(
        --config "${asr_config}" --use_preprocessor true --frontend_conf "fs=${fs}"
        --token_type "${token_type}" --token_list "${token_list}" --bpemodel "${bpemodel}"
        --train_data_path_and_name_and_type "$1/wav.scp,speech,sound"
        --train_data_path_and_name_and_type "$1/text,text,text"
        --valid_data_path_and_name_and_type "${valid}/wav.scp,speech,sound"
        --valid_data_path_and_name_and_type "${valid}/text,text,text"
        "${overrules[@]}")
    inputs=(--option "fs=${fs}" --input "${token_list}" "${train}/text" "${valid}/text"
        --audio "${train}/wav.scp" "${valid}/wav.scp")
}

# What statistics depend on, in the configuration and in asr_args; models that differ in the rest share them.
statistics_prefixes=use_preprocessor,preprocessor,frontend,speech_volume,cleaner,g2p,non_linguistic,input_size

# the options among asr_args that statistics depend on
statistics_args() {
    local word words chosen=false found=()
    read -r -a words <<< "${asr_args}"
    for word in "${words[@]}"; do
        if [[ "${word}" == --* ]]; then
            if [[ "${word}" =~ ^--(${statistics_prefixes//,/|}) ]]; then chosen=true; else chosen=false; fi
        fi
        if "${chosen}"; then found+=("${word}"); fi
    done
    echo "${found[*]}"
}

# Reads dump/raw; writes shapes and feature statistics to asr_stats_dir.
stage_10() {
    local common inputs
    training_options "${data_feats}/${train_set}"
    begin 10 "${asr_stats_dir}/.done.10" --option "asr_args=$(statistics_args)" \
        --config "${asr_config}:${statistics_prefixes}" "${inputs[@]}" \
        --output "${asr_stats_dir}"/{train,valid}/speech_shape || return 0
    write_run_sh "${asr_stats_dir}" 10
    collect_statistics "${asr_stats_dir}" "${data_feats}"/{"${train_set}","${valid_set}"}/wav.scp \
        espnet_ee.bin.asr_train "${common[@]}"
    finish
}

# model_options SHAPES: options of stage 11 alone, added to the array common
model_options() {
    local stats="${asr_stats_dir}"
    common+=(
        --train_shape_file "$1/speech_shape"
        --train_shape_file "$1/text_shape.${token_type}"
        --valid_shape_file "${stats}/valid/speech_shape"
        --valid_shape_file "${stats}/valid/text_shape.${token_type}"
        --fold_length "${asr_speech_fold_length}" --fold_length "${asr_text_fold_length}")
    if [ "${feats_normalize}" = global_mvn ]; then
        common+=(--normalize global_mvn --normalize_conf "stats_file=${stats}/train/feats_stats.npz")
    fi
    if [ -n "${pretrained_model}" ]; then
        common+=(--init_param "${pretrained_model}" --ignore_init_mismatch "${ignore_init_mismatch}")
    fi
    inputs+=(--input "${stats}"/{train,valid}/{speech_shape,"text_shape.${token_type}"})
    local name
    for name in asr_args feats_normalize pretrained_model ignore_init_mismatch asr_{speech,text}_fold_length; do
        inputs+=(--option "${name}=${!name}")
    done
    if [ -n "${pretrained_model}" ]; then inputs+=(--stat "${pretrained_model%%:*}"); fi
    if [ "${num_splits_asr}" -gt 1 ]; then
        common+=(--multiple_iterator true)
        inputs+=(--option "num_splits_asr=${num_splits_asr}")
    fi
}

# Reads dump/raw and asr_stats_dir; writes the model to asr_exp. Resumes the same training from checkpoint.pth.
stage_11() {
    local common inputs train="${data_feats}/${train_set}" shapes="${asr_stats_dir}/train"
    if [ "${num_splits_asr}" -gt 1 ]; then
        train="${asr_stats_dir}/splits${num_splits_asr}"
        shapes="${train}"
    fi
    training_options "${train}"
    model_options "${shapes}"
    begin 11 "${asr_exp}/.done.11" --config "${asr_config}:" "${inputs[@]}" \
        --resumes "${asr_exp}/checkpoint.pth" --output "${asr_exp}/config.yaml" || return 0
    write_run_sh "${asr_exp}" 11
    if [ "${num_splits_asr}" -gt 1 ]; then
        split_lists num_splits_asr "${train}" "${data_feats}/${train_set}"/{wav.scp,text} \
            "${asr_stats_dir}/train"/{speech_shape,"text_shape.${token_type}"}
    fi
    train "${asr_exp}" cer_ctc espnet_ee.bin.asr_train "${common[@]}"
    finish
}

# Reads dump/raw/[org/]<set> and the model; writes texts per exit and the run record, for each set.
stage_12() {
    local set
    write_run_sh "${asr_exp}/${inference_tag}" 12
    write_lexical
    if [ "${num_clusters}" -gt 0 ]; then write_clusters; fi
    for set in "${decode_sets[@]}"; do decode_set "${set}"; done
    if "${measure_latency}"; then write_latency; fi
}

# What policies that read text know of the language: the training texts' words and spelling.
write_lexical() {
    local text="${data_feats}/${train_set}/text" lexical="${asr_exp}/lexical.json.gz"
    if [ ! -f "${text}" ]; then
        log "Stage 12: no ${text}: policies that read text know what ${lexical} has, if it exists"
        return 0
    fi
    begin 12 "${asr_exp}/.done.lexical" --input "${text}" --output "${lexical}" || return 0
    py espnet_ee.bin.main lexical --text "${text}" --exp "${asr_exp}"
    finish
}

# What the policy clusters knows: clusters of the deepest hidden states, and each exit's guesses at them.
write_clusters() {
    local audio="${data_feats}/${train_set}/wav.scp" model="${asr_exp}/${inference_asr_model}"
    begin 12 "${asr_exp}/.done.clusters" --option "num_clusters=${num_clusters}" --input "${audio}" --stat "${model}" \
        --output "${asr_exp}/clusters.npz" || return 0
    py espnet_ee.bin.main clusters --wav_scp "${audio}" --exp "${asr_exp}" --checkpoint "${model}" \
        --num_clusters "${num_clusters}"
    finish
}

# Times to each exit on this machine, of some utterances of the first test set, one by one; the machine should be idle.
write_latency() {
    local audio device=cpu model="${asr_exp}/${inference_asr_model}"
    audio="$(org_of "${decode_sets[0]}")/wav.scp"
    if "${gpu_inference}"; then device=cuda; fi
    begin 12 "${asr_exp}/.done.latency" --option "device=${device}" --audio "${audio}" --stat "${model}" \
        --output "${asr_exp}/latency.json" || return 0
    py espnet_ee.bin.main cost "${asr_exp}" --measure --checkpoint "${model}" --audio "${audio}" \
        --device "${device}" --save "${asr_exp}/latency.json"
    finish
}

# language_model_options: options of the search in the array lm, and the files they name in lm_files
language_model_options() {
    if "${use_lm}"; then
        lm_files=("${lm_exp}/${inference_lm}")
        lm=(--lm_train_config "${lm_exp}/config.yaml" --lm_file "${lm_files[0]}")
    elif "${use_ngram}"; then
        lm_files=("${ngram_exp}/${inference_ngram}")
        lm=(--ngram_file "${lm_files[0]}")
        if [ "${ngram_unit}" = word ]; then
            lm_files+=("${lexicon}")
            lm+=(--lexicon "${lexicon}")
        fi
    fi
}

decode_set() {
    local dir="${asr_exp}/${inference_tag}/$1" data config=() lm=() lm_files=() knowledge=() file overrules jobs
    local model="${asr_exp}/${inference_asr_model}" logdir="${asr_exp}/${inference_tag}/$1/logdir"
    for file in "${asr_exp}"/{lexical.json.gz,clusters.npz}; do  # what some policies know
        if [ -f "${file}" ]; then knowledge+=("${file}"); fi
    done
    data=$(org_of "$1")  # as ESPnet's org/<valid>: nothing is filtered out of what is scored
    if [ -n "${inference_config}" ]; then config=(--config "${inference_config}"); fi
    language_model_options
    begin 12 "${dir}/.done.12" --option "inference_args=${inference_args}" --option "batch_size=${batch_size}" \
        --input "${asr_exp}/config.yaml" "${data}"/{text,utt2spk} "${config[@]:1}" "${knowledge[@]}" \
        --audio "${data}/wav.scp" --stat "${model}" "${lm_files[@]}" \
        --output "${dir}"/{text,record.jsonl.gz} || return 0
    read -r -a overrules <<< "${inference_args}"
    jobs=$(at_most "${inference_nj}" "$(wc -l < "${data}/wav.scp")")
    keep_finished_jobs "${logdir}" "${jobs}"
    py espnet_ee.data.split_keys "${jobs}" "${data}/wav.scp:${logdir}/keys"
    log "Stage 12: $1: log in ${logdir}/asr_inference.*.log"
    OMP_NUM_THREADS=1 $(inference_command) --name "decode_$1" "JOB=1:${jobs}" "${logdir}/asr_inference.JOB.log" \
        test -e "${logdir}/output.JOB/record.jsonl.gz" "||" \
        "${PYTHON}" -m espnet_ee.bin.asr_inference "${config[@]}" --batch_size "${batch_size}" --num_threads 1 \
        --ngpu "$(inference_gpus)" --asr_train_config "${asr_exp}/config.yaml" \
        --asr_model_file "${model}" "${lm[@]}" --data_path_and_name_and_type "${data}/wav.scp,speech,sound" \
        --key_file "${logdir}/keys.JOB.scp" --output_dir "${logdir}/output.JOB" "${overrules[@]}"
    py espnet_ee.data.join_outputs "${asr_exp}/${inference_tag}" "$1" --num_jobs "${jobs}" \
        --wav_scp "${data}/wav.scp"
    finish
    rm "${logdir}/facts"  # what is asked for again is decoded again
}

# keep_finished_jobs LOGDIR JOBS: empty it, unless the same decoding by as many jobs was interrupted there
keep_finished_jobs() {
    local facts
    facts="$2 jobs, $(cat "${marker}.started")"
    if [ "$(cat "$1/facts" 2> /dev/null)" = "${facts}" ]; then return 0; fi
    rm -rf "$1"
    mkdir -p "$1"
    echo "${facts}" > "$1/facts"
}

inference_gpus() { if "${gpu_inference}"; then echo 1; else echo 0; fi; }

inference_command() { if "${gpu_inference}"; then echo "${cuda_cmd} --gpu 1"; else echo "${decode_cmd}"; fi; }

# Reads the records of all decoded sets; writes asr_exp/{RESULTS.md,results.csv,wer_vs_cost.png,index.html}.
stage_13() {
    local audio=()
    if compgen -G "${data_feats}/*/wav.scp" > /dev/null; then audio=(--audio "${data_feats}"); fi
    py espnet_ee.bin.main report "${asr_exp}" --dev "${valid_set}" "${audio[@]}"
    # shellcheck disable=SC2086  # the user's string is a list of options
    if [ -x local/score.sh ]; then local/score.sh ${local_score_opts} "${asr_exp}"; fi
}

# Reads the model and what was measured; writes one zip file that ESPnet's tools take, and that needs espnet_ee to be
# imported, with a model card in it.
stage_14() {
    local file options=() card=() model="${asr_exp}/${inference_asr_model}"
    if [ ! -f "${model}" ]; then die "there is no model to pack." "${model}" "" "run stage 11"; fi
    for file in "${token_list}" "${bpemodel}" "${asr_stats_dir}/train/feats_stats.npz" \
        "${asr_exp}"/{RESULTS.md,latency.json,lexical.json.gz,clusters.npz}; do
        if [ -f "${file}" ]; then options+=(--option "${file}"); fi
    done
    py espnet2.bin.pack asr --asr_train_config "${asr_exp}/config.yaml" \
        --asr_model_file "${model}" "${options[@]}" --outpath "${packed}"
    if [ -n "${license}" ]; then card+=(--license "${license}"); fi
    if [ "${lang}" != noinfo ]; then card+=(--language "${lang}"); fi
    py espnet_ee.bin.main card "${packed}" --exp "${asr_exp}" --train-data "${data_feats}/${train_set}" \
        --dev "${valid_set}" --dataset "$(basename "${PWD%_ee}")" "${card[@]}"
    log "Stage 14: ${packed}"
}

# Reads the packed model; writes the folder of the same name, with a card, and sends it to the hub.
stage_16() {
    local options=()
    if [ -z "${hf_repo}" ]; then die "--hf_repo is not set." "" "--hf_repo USER/NAME"; fi
    if [ ! -f "${packed}" ]; then die "there is no packed model." "${packed}" "" "run stage 14: --skip_packing false"; fi
    if "${hf_dry_run}"; then options+=(--dry-run); fi
    if [ "${lang}" != noinfo ]; then options+=(--language "${lang}"); fi
    py espnet_ee.bin.main upload "${packed}" --repo "${hf_repo}" "${options[@]}"
}

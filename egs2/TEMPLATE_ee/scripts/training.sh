#!/usr/bin/env bash
# What the stages of recognisers and language models share: statistics by jobs, lists in parts, training.
# shellcheck disable=SC2154  # variables are those of asr_ee.sh

# collect_statistics DIR TRAIN VALID MODULE OPTIONS...: shapes, and statistics of features, of two lists, to DIR/{train,valid}
collect_statistics() {
    local dir="$1" train="$2" valid="$3" logdir="$1/logdir" jobs
    shift 3
    jobs=$(at_most "${nj}" "$(wc -l < "${valid}")")
    rm -rf "${logdir}" "${dir}/new"
    py espnet_ee.data.split_keys "${jobs}" "${train}:${logdir}/train" "${valid}:${logdir}/valid"
    log "Stage ${number}: log in ${logdir}/stats.*.log"
    OMP_NUM_THREADS=1 ${train_cmd} --name "${dir##*/}" "JOB=1:${jobs}" "${logdir}/stats.JOB.log" \
        "${PYTHON}" -m "$@" --collect_stats true --ngpu 0 \
        --train_shape_file "${logdir}/train.JOB.scp" --valid_shape_file "${logdir}/valid.JOB.scp" \
        --output_dir "${logdir}/stats.JOB"
    aggregate_statistics
}

aggregate_statistics() {
    local parts=() part job
    for job in $(seq "${jobs}"); do parts+=(--input_dir "${logdir}/stats.${job}"); done
    py espnet2.bin.aggregate_stats_dirs "${parts[@]}" --output_dir "${dir}/new" > "${logdir}/aggregate.log" 2>&1
    for part in train valid; do
        # batches are sized by text times vocabulary too
        awk -v n="$(wc -l < "${token_list}")" '{ print $0 "," n }' "${dir}/new/${part}/text_shape" \
            > "${dir}/new/${part}/text_shape.${token_type}"
        rm -rf "${dir:?}/${part}"
        mv "${dir}/new/${part}" "${dir}/${part}"
    done
    rm -r "${dir}/new"
}

# split_lists OPTION TARGET LIST...: every epoch then reads part after part, so that one part's lists are in memory
split_lists() {
    local option="$1" target="$2" splits_log="$2.log"
    shift 2
    log "Stage ${number}: training set in ${!option} parts, ${target}"
    py espnet2.bin.split_scps --num_splits "${!option}" --output_dir "${target}" --scps "$@" > "${splits_log}" 2>&1 ||
        die "the training set cannot be split." "$(tail -n 1 "${splits_log}")" "" "a smaller --${option}"
}

# train DIR FIGURE MODULE OPTIONS...: a training in DIR on all GPUs and nodes; prints FIGURE of every epoch's validation
train() {
    local dir="$1" figure="$2"
    shift 2
    log "Stage ${number}: log in ${dir}/train.log; curves: tensorboard --logdir ${dir}/tensorboard"
    tail --pid=$$ -n 0 -F "${dir}/train.log" > >(epoch_lines "${figure}") 2> /dev/null &
    follower=$!
    OMP_NUM_THREADS="${num_threads}" "${PYTHON}" -m espnet2.bin.launch \
        --cmd "${cuda_cmd} --name ${dir##*/}" --log "${dir}/train.log" \
        --ngpu "${ngpu}" --num_nodes "${num_nodes}" --init_file_prefix "${dir}/.dist_init_" -- \
        "${PYTHON}" -m "$@" --resume true --output_dir "${dir}" 2> >(grep -v ' INFO: ' >&2)
    kill "${follower}" || true
}

# epoch_lines FIGURE: of a growing train.log, what one wants to see meanwhile
epoch_lines() {
    sed -un "s/.* INFO: \([0-9]*\)epoch results: .*\[valid\].*\b\($1=[0-9.]*\).*/  epoch \1: valid \2/p"
}

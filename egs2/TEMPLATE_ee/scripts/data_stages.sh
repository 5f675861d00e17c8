#!/usr/bin/env bash
# Stages 1 to 5: from a corpus to formatted audio and tokens. None of them imports ESPnet.
# shellcheck disable=SC2154  # variables are those of asr_ee.sh

# names of sets, each once: validation sets may be test sets too
all_sets() { printf '%s\n' "$@" "${valid_set}" "${decode_sets[@]}" | sort -u; }

# db_variables: NAME=VALUE of the variables that db.sh exports, which may come from the environment
db_variables() (
    # shellcheck source=/dev/null
    . ./db.sh
    sed -n 's/^ *export *\([A-Za-z_0-9]*\)=.*/\1/p' db.sh |
        while read -r name; do echo "${name}=${!name}"; done
)

# existing FILE...: those that are there
existing() { local file; for file in "$@"; do if [ -f "${file}" ]; then echo "${file}"; fi; done; }

# texts_beside_sets: those of --lm_train_text that belong to no set, e.g. data/local/other_text/text
texts_beside_sets() { tr ' ' '\n' <<< "${lm_train_text}" | sed -n '/^data\/local\//p'; }

# Reads the corpus; writes data/<set>/{wav.scp,text,utt2spk,spk2utt}, and segments if recordings are long.
stage_1() {
    local sets inputs variables=() texts=()
    mapfile -t sets < <(all_sets "${prepared_set}")
    if "${use_lm}"; then mapfile -t texts < <(texts_beside_sets); fi
    mapfile -t inputs < <(existing db.sh corpus/MANIFEST.tsv)
    if [ -f db.sh ]; then mapfile -t variables < <(db_variables); fi
    begin 1 data/.done.1 --option "local_data_opts=${local_data_opts}" --option "sets=${sets[*]}" \
        "${variables[@]/#/--variable=}" --input local/data.sh "${inputs[@]}" --output "${sets[@]/#/data/}" "${texts[@]}" || return 0
    # shellcheck disable=SC2086  # the user's string is a list of options
    data_sets="${sets[*]}" lm_texts="${texts[*]}" local/data.sh ${local_data_opts}
    py espnet_ee.data.kaldi "${sets[@]/#/data/}"
    finish
}

# Reads data/<train>; writes data/<train>_sp with faster and slower copies.
stage_2() {
    local source="data/${prepared_set}" target="data/${train_set}" segments
    if [ -z "${speed_perturb_factors}" ]; then
        log "Stage 2: skipped (no --speed_perturb_factors)"
        return 0
    fi
    mapfile -t segments < <(existing "${source}/segments")
    begin 2 "${target}/.done.2" --option "speed_perturb_factors=${speed_perturb_factors}" \
        --input "${source}"/{wav.scp,text,utt2spk} "${segments[@]}" --output "${target}/wav.scp" || return 0
    py espnet_ee.data.speed "${source}" "${target}" --factors "${speed_perturb_factors}"
    finish
}

# org_of SET: where stage 3 puts a set; stage 4 filters training and validation sets
org_of() {
    case "$1" in
        "${train_set}" | "${valid_set}") echo "${data_feats}/org/$1" ;;
        *) echo "${data_feats}/$1" ;;
    esac
}

# Reads data/<set>; cuts segments; writes audio, wav.scp and utt2num_samples to dump/raw/[org/]<set>. Resumes by file.
stage_3() {
    local set sets optional
    mapfile -t sets < <(all_sets "${train_set}")
    for set in "${sets[@]}"; do
        mapfile -t optional < <(existing "data/${set}"/{utt2speed,segments})
        begin 3 "$(org_of "${set}")/.done.3" --option "fs=${fs}" --option "audio_format=${audio_format}" \
            --input "data/${set}"/{text,utt2spk} "${optional[@]}" --audio "data/${set}/wav.scp" \
            --output "$(org_of "${set}")/wav.scp" || continue
        format_set "${set}"
        finish
    done
}

# format_set SET: by as many jobs as have work for some seconds each; the last call does what they left
format_set() {
    local source="data/$1" target jobs command
    target=$(org_of "$1")
    command=(espnet_ee.data.format_audio "${source}" "${target}" --fs "${fs}" --audio_format "${audio_format}")
    jobs=$(at_most "${nj}" $(($(wc -l < "${source}/text") / 32)))
    if [ "${jobs}" -gt 1 ]; then
        log "Stage 3: $1: log in ${target}/logdir/format_audio.*.log"
        OMP_NUM_THREADS=1 ${train_cmd} --name "format_$1" "JOB=1:${jobs}" "${target}/logdir/format_audio.JOB.log" \
            "${PYTHON}" -m "${command[@]}" --part "JOB/${jobs}"
    fi
    py "${command[@]}"
}

# Reads dump/raw/org/<set>; writes dump/raw/<set> without what is too long, too short or without text.
stage_4() {
    local set source target
    for set in "${train_set}" "${valid_set}"; do
        source="${data_feats}/org/${set}"
        target="${data_feats}/${set}"
        begin 4 "${target}/.done.4" --option "min_wav_duration=${min_wav_duration}" \
            --option "max_wav_duration=${max_wav_duration}" --option "fs=${fs}" \
            --input "${source}"/{wav.scp,text,utt2spk,utt2num_samples} \
            --output "${target}/wav.scp" || continue
        py espnet_ee.data.filter_lengths "${source}" "${target}" --fs "${fs}" \
            --min_wav_duration "${min_wav_duration}" --max_wav_duration "${max_wav_duration}"
        finish
    done
}

# Reads the training text; writes data/<lang>_token_list/<type>/{tokens.txt,bpe.model}.
stage_5() {
    local text="${bpe_train_text:-${data_feats}/${train_set}/text}" output=("${token_list}")
    if [ "${token_type}" = bpe ]; then output+=("${bpemodel}"); fi
    begin 5 "${token_dir}/.done.5" --option "bpe_nlsyms=${bpe_nlsyms}" \
        --option "bpe_char_cover=${bpe_char_cover}" --input "${text}" --output "${output[@]}" || return 0
    py espnet_ee.data.tokens "${text}" "${token_dir}" --token_type "${token_type}" --nbpe "${nbpe}" \
        --bpemode "${bpemode}" --bpe_char_cover "${bpe_char_cover}" --symbols "${bpe_nlsyms}"
    finish
}

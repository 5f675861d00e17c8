#!/usr/bin/env bash
# Which stages run, and what makes them resumable.
# shellcheck disable=SC2154  # variables are those of asr_ee.sh

declare -A stage_names=(
    [1]="data preparation" [2]="speed perturbation" [3]="format audio" [4]="filter by length"
    [5]="tokens" [6]="language model: lengths" [7]="language model: training" [8]="language model: perplexity" [9]="n-gram and lexicon"
    [10]="collect statistics" [11]="training" [12]="decoding" [13]="scoring" [14]="pack"
    [16]="upload")

# left_out NUMBER: prints the option that leaves the stage out, if there is one
left_out() {
    if [[ " ${skip_stages} " == *" $1 "* ]]; then echo "--skip_stages"; return 0; fi
    case "$1" in
        [1-5]) if "${skip_data_prep}"; then echo "--skip_data_prep"; fi ;;
        [6-8]) if ! "${use_lm}"; then echo "--use_lm false"; elif "${skip_train}"; then echo "--skip_train"; fi ;;
        9) if ! "${use_ngram}"; then echo "--use_ngram false"; elif "${skip_train}"; then echo "--skip_train"; fi ;;
        10 | 11) if "${skip_train}"; then echo "--skip_train"; fi ;;
        12 | 13) if "${skip_eval}"; then echo "--skip_eval"; fi ;;
        14) if "${skip_packing}"; then echo "--skip_packing"; fi ;;
        16) if "${skip_upload_hf}"; then echo "--skip_upload_hf"; fi ;;
    esac
}

run_stage() {
    local why
    why=$(left_out "$1")
    case "$1" in
        15) log "Stage 15: skipped (export comes later)" ;;
        *)
            if [ -n "${why}" ]; then log "Stage $1: skipped (${why} leaves it out)"; return 0; fi
            log "Stage $1: ${stage_names[$1]}"
            "stage_$1" ;;
    esac
}

at_most() { if [ "$1" -lt "$2" ]; then echo "$1"; else echo "$2"; fi; }

py() { PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 "${PYTHON}" -m "$@"; }

# begin NUMBER MARKER FACTS...: false if the stage is done already; FACTS as in espnet_ee.data.done
begin() {
    local number="$1" code=0 force=()
    marker="$2"
    shift 2
    refuse_company
    if "${stage_asked}" && [ "${number}" -eq "${stage}" ]; then force=(--force); fi
    py espnet_ee.data.done "${marker}" "$@" "${force[@]}" || code=$?
    case "${code}" in
        0) log "Stage ${number}: done before, skipped (${marker})"; return 1 ;;
        3) exec {lock}< "${marker}.started"; flock "${lock}"; return 0 ;;
        *) exit "${code}" ;;
    esac
}

# finish: the stage that began last has ended well
finish() { mv "${marker}.started" "${marker}"; exec {lock}<&-; }

# refuse_company: whatever a stage starts holds its lock too, so also what outlives a killed run.sh
refuse_company() {
    local started
    if [ ! -f "${marker}.started" ]; then return 0; fi
    exec {started}< "${marker}.started"
    flock --nonblock "${started}" || die "another run is at work on this stage." "${marker}.started is locked" \
        "one run at a time" "wait for it, or find and stop it: fuser -v ${marker}.started"
    exec {started}<&-
}

# write_run_sh FOLDER NUMBER: a script that runs this stage again, and no other
write_run_sh() {
    mkdir -p "$1"
    printf '#!/usr/bin/env bash\n# Runs stage %s again.\ncd %q && ./asr_ee.sh %s --stage %s --stop_stage %s "$@"\n' \
        "$2" "${PWD}" "${run_args}" "$2" "$2" > "$1/run.sh"
    chmod +x "$1/run.sh"
}

# check_python: what the stages import is installed; nothing is imported here, as ESPnet takes 15 s
check_python() {
    local missing
    if [ -n "${python}" ]; then
        PYTHON=$(command -v "${python}") || die "there is no Python ${python}." "--python ${python}"
        export PATH="${PYTHON%/*}:${PATH}"
        unset VIRTUAL_ENV  # local/data.sh may read path.sh again, which would prefer that one
    fi
    missing=$("${PYTHON}" -c 'import importlib.util as u
names = ("espnet_ee", "espnet2", "soundfile", "scipy", "sentencepiece")
print(*(n for n in names if u.find_spec(n) is None))') || die "cannot run Python." "${PYTHON}"
    if [ -n "${missing}" ]; then
        die "${PYTHON} lacks: ${missing}." "" "a Python with espnet-ee installed" \
            "pip install -e . in the top folder (or make demo), or --python PATH"
    fi
}

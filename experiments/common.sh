#!/usr/bin/env bash
# What the experiments share. Sourced by experiments/NAME/run.sh, whose folder is the working directory:
#   parse_common "$@"       options --seeds --jobs --ngpu --quick --list --only --again; the rest goes to the array `rest`
#   recipe NAME OPTION...   the recipe's run.sh in ${recipe_dir}, its output in ${exp}/NAME.log
#   model JOB [EXPERIMENT]  ${an4_exp}/asr_JOB, a model of AN4, trained if it is not there
#   keep JOB FOLDER SET...  copies the records of FOLDER/SET to ${records}/JOB/SET
#   summarise               RESULTS.md from the records
#   run_jobs                all of `jobs_of SEED` that have no record yet, ${jobs} at a time, each by `run_job JOB`
# A job is VARIANT/seedN. Everything resumes: what has its records is not run again.
# shellcheck disable=SC2034,SC2154  # variables shared with the scripts that source this

# parse_common OPTION...
parse_common() {
    seeds="0 1 2" jobs=1 ngpu=0 quick='' list='' only='' again='' rest=()
    self=(./run.sh)
    while [ $# -gt 0 ]; do
        case "$1" in
            --quick) quick=1 seeds=0; self+=("$1"); shift ;;
            --list) list=1; shift ;;
            --only) only=$2; shift 2 ;;
            --again) again=1; shift ;;  # the model is wanted, whose records are there
            --seeds) seeds=$2; shift 2 ;;
            --jobs) jobs=$2; shift 2 ;;
            --ngpu) ngpu=$2; self+=("$1" "$2"); shift 2 ;;
            --help | -h) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' run.sh; exit 0 ;;
            *) rest+=("$1"); shift ;;
        esac
    done
    here=$PWD
    root=$(cd ../.. && pwd)
    exp="${here}/exp${quick:+_quick}"
    an4_exp="${root}/experiments/exp_an4${quick:+_quick}"  # see an4.sh
    records="${here}/records"
    if [ -n "${quick}" ]; then records="${exp}/records"; fi
    mkdir -p "${exp}"
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" PYTHONPATH="${root}${PYTHONPATH:+:${PYTHONPATH}}"
}

# no_more: refuse options that nobody has read
no_more() {
    if [ "${#rest[@]}" -eq 0 ]; then return; fi
    echo "run.sh: there is no option ${rest[*]}" >&2
    echo "  try:  ./run.sh --help" >&2
    exit 2
}

# recipe NAME OPTION...
recipe() {
    local name=$1 log
    shift
    log="${exp}/${name}.log"
    if ! (cd "${recipe_dir}" && ./run.sh --ngpu "${ngpu}" "$@") >> "${log}" 2>&1; then
        echo "${name}: failed, see ${log}" >&2
        tail -n 5 "${log}" >&2
        return 1
    fi
}

# keep JOB FOLDER SET...
keep() {
    local job=$1 folder=$2 set
    shift 2
    for set in "$@"; do
        mkdir -p "${records}/${job}/${set}"
        cp "${folder}/${set}/record.jsonl.gz" "${records}/${job}/${set}/record.jsonl.gz.new"
        mv "${records}/${job}/${set}/record.jsonl.gz.new" "${records}/${job}/${set}/record.jsonl.gz"
    done
}

# model JOB [EXPERIMENT]: a training on AN4; do it if its model is not there, as after a clone, which has records only
model() {
    if [ -e "${an4_exp}/asr_${1//\//_}/valid.cer_ctc.ave.pth" ]; then return; fi
    (cd "../${2:-${here##*/}}" && ./run.sh --ngpu "${ngpu}" ${quick:+--quick} --only "$1" --again)
}

# kept JOB: its records are there
kept() { [ -e "${records}/$1/${last_set}/record.jsonl.gz" ]; }

# summarise: the experiment's tables; those of --quick go to its folder
summarise() {
    local out="${here}/RESULTS.md"
    if [ -n "${quick}" ]; then out="${exp}/${here##*/}.md"; fi
    "${PYTHON:-python3}" summarise.py "${records}" --out "${out}"
}

# pending: names of the jobs that are left, in order of priority
pending() {
    local seed job
    for seed in ${seeds}; do
        for job in $(jobs_of "${seed}"); do
            if ! kept "${job}"; then echo "${job}"; fi
        done
    done
}

# run_jobs: all, or what --list asks for; with --only that job alone, and the script ends
run_jobs() {
    if [ -n "${list}" ]; then pending; return; fi
    if [ -n "${only}" ]; then
        if [ -n "${again}" ] || ! kept "${only}"; then run_job "${only}"; fi
        echo "${only}: done"
        exit 0
    fi
    pending | xargs -r -P "${jobs}" -I JOB "${self[@]}" "${rest[@]}" --only JOB
}

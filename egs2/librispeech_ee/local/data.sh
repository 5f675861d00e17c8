#!/usr/bin/env bash
# Stage 1: LibriSpeech -> data/SET for each of $data_sets; without LIBRISPEECH, downloads the parts that these need.
# With --use_lm true also $lm_texts: data/local/other_text/text, 40 million sentences of OpenSLR 11 (1.5 GB, unpacked 5 GB).
# Options, by --local_data_opts: --remove_archives true|false, --jobs N (downloads at a time).
set -euo pipefail

# shellcheck source=/dev/null
. ./path.sh
# shellcheck source=/dev/null
. ./db.sh

# parts_of SET: the parts of the corpus that make a set
parts_of() {
    case "$1" in
        dev) echo dev-clean dev-other ;;
        train_clean_460) echo train-clean-100 train-clean-360 ;;
        train_960) echo train-clean-100 train-clean-360 train-other-500 ;;
        *) echo "${1//_/-}" ;;
    esac
}

# archive_of PART: LibriSpeech is resource 12 of OpenSLR, Mini LibriSpeech 31
archive_of() {
    case "$1" in
        train-clean-5 | dev-clean-2) echo "31/$1.tar.gz" ;;
        *) echo "12/$1.tar.gz" ;;
    esac
}

# download ARCHIVES CREATES OPTIONS...: names of arrays; what is not there yet
download() {
    local -n archives="$1" creates="$2"
    local mirrors
    shift 2
    read -r -a mirrors <<< "${OPENSLR}"
    "${PYTHON}" -m espnet_ee.data.download "${archives[@]}" downloads --creates "${creates[@]}" \
        --mirrors "${mirrors[@]}" --md5sums md5sum.txt "$@"
}

# download_parts OPTIONS...
download_parts() {
    local of_parts=() folders=()
    for part in "${parts[@]}"; do
        of_parts+=("$(archive_of "${part}")")
        folders+=("downloads/LibriSpeech/${part}")
    done
    download of_parts folders "$@"
}

# lm_text FILE: the texts of OpenSLR 11, with ids
lm_text() {
    # shellcheck disable=SC2034  # download reads them by name
    local text=(11/librispeech-lm-norm.txt.gz) itself=(downloads/librispeech-lm-norm.txt.gz)
    download text itself
    mkdir -p "${1%/*}"
    gzip -dc "${itself[0]}" | awk '{ printf "librispeech_lng_%08d %s\n", NR, $0 }' > "$1.new"
    mv "$1.new" "$1"
}

# check_parts: all parts are in LIBRISPEECH
check_parts() {
    local missing=()
    for part in "${parts[@]}"; do if [ ! -d "${corpus}/${part}" ]; then missing+=("${part}"); fi; done
    if [ "${#missing[@]}" -gt 0 ]; then
        echo "local/data.sh: error: parts of LibriSpeech are missing." >&2
        echo "  got:  LIBRISPEECH=${LIBRISPEECH}, without ${missing[*]}" >&2
        echo "  want: the folder that holds ${parts[*]}" >&2
        echo "  fix:  set LIBRISPEECH in db.sh, or leave it empty to download; --data_size and --test_sets choose parts" >&2
        exit 1
    fi
}

read -r -a sets <<< "${data_sets:?names of sets; stage 1 of asr_ee.sh sets it}"
mapfile -t parts < <(for set in "${sets[@]}"; do parts_of "${set}"; done | tr ' ' '\n' | sort -u)
if [ -n "${LIBRISPEECH}" ]; then
    corpus="${LIBRISPEECH}"
    if [ -d "${corpus}/LibriSpeech" ]; then corpus+=/LibriSpeech; fi
    check_parts
else
    download_parts "$@"
    corpus=downloads/LibriSpeech
fi
for set in "${sets[@]}"; do
    read -r -a own <<< "$(parts_of "${set}")"
    "${PYTHON}" -m espnet_ee.data.librispeech "${own[@]/#/${corpus}/}" "data/${set}"
done
for text in ${lm_texts:-}; do
    if [ "${text}" = data/local/other_text/text ]; then lm_text "${text}"; fi
done

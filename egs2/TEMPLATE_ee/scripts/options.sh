#!/usr/bin/env bash
# Option parsing for asr_ee.sh: --foo-bar v and --foo_bar v set foo_bar, if asr_ee.sh has it.
# shellcheck disable=SC2034,SC2154  # variables are those of asr_ee.sh

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') (asr_ee.sh) $*"; }

# die WHAT [GOT [WANT [FIX]]]: one clear error
die() {
    echo "asr_ee.sh: error: $1" >&2
    if [ -n "${2:-}" ]; then echo "  got:  $2" >&2; fi
    if [ -n "${3:-}" ]; then echo "  want: $3" >&2; fi
    if [ -n "${4:-}" ]; then echo "  fix:  $4" >&2; fi
    exit 1
}

# lines between the marks of a script
lines_of() { sed -n '/^# options begin/,/^# options end/p' "$1" | sed '1d;$d'; }

# options of asr_ee.sh, and those that a recipe's run.sh adds
option_lines() {
    lines_of "${template}/asr_ee.sh"
    if [ -f run.sh ]; then lines_of run.sh; fi
}

# names in option lines
names_in() { sed -n 's/^\([a-z_]*\)=.*/\1/p'; }

# read_own_options OPTIONS...: for run.sh; sets the options that it adds. asr_ee.sh gets all, and refuses those nobody has.
read_own_options() {
    local name own
    own=" $(lines_of run.sh | names_in | tr '\n' ' ')"
    while [ $# -gt 1 ]; do
        name="${1#--}"
        name="${name//-/_}"
        if [[ "$1" == --?* && "${own}" == *" ${name} "* ]]; then printf -v "${name}" '%s' "$2"; fi
        shift 2
    done
}

print_help() {
    echo "Usage: ./run.sh [--OPTION VALUE]...    (--foo-bar and --foo_bar are the same)"
    option_lines | awk '
        /^# /     { print "\n" substr($0, 3); next }
        /^[a-z_]*=/ {
            name = $0; sub(/=.*/, "", name)
            value = $0; sub(/^[a-z_]*=/, "", value); sub(/ *#.*/, "", value)
            effect = $0; sub(/^[^#]*# */, "", effect)
            printf "  --%-23s %s%s\n", name, effect, (value == "" ? "" : " (" value ")")
        }'
    echo
    echo "Stages: 1 data, 2 speed perturbation, 3 format audio, 4 filter, 5 tokens, 6-8 language model"
    echo "(--use_lm true), 9 (skipped), 10 statistics, 11 train, 12 decode, 13 score and report, 14 pack,"
    echo "15 (skipped), 16 upload."
    echo "A stage that is done is skipped unless its inputs or options changed. In this recipe run.sh sets:"
    sed -n 's/^ *\(--[a-z].*[^\\ ]\) *\\*$/    \1/p' ./run.sh 2> /dev/null || true
}

unknown_option() {
    local nearest
    # shellcheck source=../path.sh
    nearest=$(. ./path.sh; "${PYTHON}" -c 'import difflib, sys
print(*difflib.get_close_matches(sys.argv[1], sys.argv[2:], 1, 0.6))' "$2" "${!defaults[@]}" || true)
    die "there is no option $1." "$1" "an option that ./run.sh --help lists" "--${nearest:-help}"
}

# set_option NAME VALUE AS_TYPED: the default tells the type
set_option() {
    local default="${defaults[$1]}"
    if [[ "${default}" =~ ^(true|false)$ && ! "$2" =~ ^(true|false)$ ]]; then
        die "$3 is true or false." "$2" "true or false"
    elif [[ "${default}" =~ ^[0-9]+$ && ! "$2" =~ ^[0-9]+$ ]]; then
        die "$3 is a whole number." "$2" "e.g. ${default}"
    elif [[ "${default}" =~ ^[0-9.]+$ && ! "$2" =~ ^([0-9]+\.?[0-9]*|\.[0-9]+)$ ]]; then
        die "$3 is a number." "$2" "e.g. ${default}"
    fi
    printf -v "$1" '%s' "$2"
}

parse_options() {
    local name
    declare -A defaults
    for name in $(option_lines | names_in); do defaults[${name}]="${!name-}"; done
    stage_asked=false
    while [ $# -gt 0 ]; do
        case "$1" in
            -h | --help) print_help; exit 0 ;;
            --?*) ;;
            *) die "options start with --." "$1" "--OPTION VALUE" "./run.sh --help" ;;
        esac
        name="${1#--}"
        name="${name//-/_}"
        if [ -z "${defaults[${name}]+known}" ]; then unknown_option "$1" "${name}"; fi
        if [ $# -lt 2 ]; then die "$1 needs a value." "" "--OPTION VALUE" "./run.sh --help"; fi
        set_option "${name}" "$2" "$1"
        if [ "${name}" = stage ]; then stage_asked=true; fi
        shift 2
    done
}

# require NAME...: these options have a value
require() {
    for name in "$@"; do
        if [ -z "${!name}" ]; then die "--${name} is not set." "" "a value" "set it in run.sh"; fi
    done
}

# one_of NAME VALUE...: the option has one of the values
one_of() {
    local name="$1"
    shift
    for value in "$@"; do if [ "${!name}" = "${value}" ]; then return 0; fi; done
    die "--${name} has an unknown value." "${!name}" "one of: $*"
}

# at_least_one NAME...: these options are 1 or more
at_least_one() {
    for name in "$@"; do
        if [ "${!name}" -lt 1 ]; then die "--${name} is too small." "${!name}" "1 or more"; fi
    done
}

# tag_of FILE DEFAULT: the file's name without folder and suffix
tag_of() { if [ -n "$1" ]; then basename "$1" .yaml; else echo "$2"; fi; }

# tag_of_args ARGS: "--max_epoch 10" becomes "_max_epoch_10"
tag_of_args() { if [ -n "$1" ]; then echo "_$1" | sed -e 's/--//g' -e 's/[^A-Za-z0-9_.,+-]\{1,\}/_/g' -e 's/_*$//'; fi; }

#!/usr/bin/env bash
# Environment of the stages: finds a Python that has ESPnet, and the job scripts.
# Tried in this order: the active virtual environment, $PYTHON, .venv of the checkout, python3.

ee_template=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
ee_root=$(cd "${ee_template}/../.." && pwd)

has_espnet() {
    "$1" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("espnet2") is None)' 2> /dev/null
}

for candidate in "${VIRTUAL_ENV:+${VIRTUAL_ENV}/bin/python3}" "${PYTHON:-}" "${ee_root}/.venv/bin/python3"; do
    if [ -n "${candidate}" ] && has_espnet "${candidate}"; then
        PYTHON="${candidate}"
        break
    fi
done
export PYTHON="${PYTHON:-python3}"
export PYTHONPATH="${ee_root}${PYTHONPATH:+:${PYTHONPATH}}"  # a checkout works without being installed
export PYTHONIOENCODING=UTF-8
export LC_ALL=C.UTF-8  # sort as Kaldi does, by code point

# python3 is the same Python; job scripts that are installed already, e.g. Kaldi's, come first.
case "${PYTHON}" in */*) PATH="$(dirname "${PYTHON}"):${PATH}" ;; esac
export PATH="${PATH}:${ee_template}/utils"

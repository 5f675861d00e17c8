#!/usr/bin/env bash
# How jobs are started. local runs them on this machine, by utils/run.pl.

cmd_backend="${cmd_backend:-local}"

case "${cmd_backend}" in
    local)
        export train_cmd="run.pl"   # statistics
        export cuda_cmd="run.pl"    # training, and decoding on a GPU
        export decode_cmd="run.pl"  # decoding
        ;;
    *)
        echo "cmd.sh: error: unknown cmd_backend." >&2
        echo "  got:  ${cmd_backend}" >&2
        echo "  want: local" >&2
        exit 1
        ;;
esac

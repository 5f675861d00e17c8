#!/usr/bin/env bash
# How jobs are started: cmd_backend=slurm ./run.sh, or change the default here.
#   local   on this machine
#   slurm   job arrays of Slurm; partitions, accounts and GPU types stand in conf/slurm.conf
#   sge     job arrays of Grid Engine, see conf/queue.conf
#   ssh     on the hosts in ee_hosts, which share this folder
# A script of the same name that is on PATH already, e.g. Kaldi's, comes first.

cmd_backend="${cmd_backend:-local}"
export ee_hosts="${ee_hosts:-}"  # of ssh, e.g. "node1 node1 node2"

case "${cmd_backend}" in
    local) job_command="run.pl" ;;
    slurm) job_command="slurm.pl --config conf/slurm.conf" ;;
    sge) job_command="queue.pl --config conf/queue.conf" ;;
    ssh) job_command="ssh.pl" ;;
    *)
        echo "cmd.sh: error: unknown cmd_backend." >&2
        echo "  got:  ${cmd_backend}" >&2
        echo "  want: local, slurm, sge or ssh" >&2
        exit 1
        ;;
esac
export train_cmd="${job_command}"   # statistics
export cuda_cmd="${job_command}"    # training, and decoding on a GPU
export decode_cmd="${job_command}"  # decoding

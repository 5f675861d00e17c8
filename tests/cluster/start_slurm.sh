#!/usr/bin/env bash
# A Slurm of two nodes on this machine, for tests: munged, slurmctld and two slurmd on loopback.
#   tests/cluster/start_slurm.sh DIR    starts it; then export SLURM_CONF=DIR/slurm.conf
#   tests/cluster/start_slurm.sh DIR stop
# Debian: apt-get install slurmctld slurmd slurm-client munge; run as root.
set -euo pipefail

dir=$(realpath -m "$1")
if [ "${2:-}" = stop ]; then
    for pid in "${dir}"/*.pid; do if [ -e "${pid}" ]; then kill "$(cat "${pid}")" 2> /dev/null || true; fi; done
    exit 0
fi

# Two of these, in different folders, do not meet.
port=$((20000 + $(cksum <<< "${dir}" | cut -d ' ' -f 1) % 10000))
mkdir -p "${dir}"/{state,spool.n1,spool.n2}
cat > "${dir}/slurm.conf" << END
ClusterName=test
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=${dir}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,batch_sched_delay=0
MpiDefault=none
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SlurmdTimeout=30
KillWait=2
MinJobAge=60
SlurmctldPort=${port}
SlurmctldPidFile=${dir}/slurmctld.pid
SlurmdPidFile=${dir}/slurmd.%n.pid
SlurmctldLogFile=${dir}/slurmctld.log
SlurmdLogFile=${dir}/slurmd.%n.log
StateSaveLocation=${dir}/state
SlurmdSpoolDir=${dir}/spool.%n
NodeName=n1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=1 State=UNKNOWN
PartitionName=test Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
END

# munged refuses folders that others may write to, and runs as the owner of its key
chmod 755 "${dir}"
if [ ! -e "${dir}/munge.key" ]; then (umask 077 && head -c 1024 /dev/urandom > "${dir}/munge.key"); fi
munged --force --key-file "${dir}/munge.key" --socket "${dir}/munge.socket" --pid-file "${dir}/munged.pid" \
    --log-file "${dir}/munged.log" --seed-file "${dir}/munge.seed"
export SLURM_CONF="${dir}/slurm.conf"
slurmctld -f "${SLURM_CONF}"
for node in n1 n2; do slurmd -f "${SLURM_CONF}" -N "${node}"; done
for _ in $(seq 60); do
    if [ "$(sinfo --noheader --states=idle --format=%D 2> /dev/null)" = 2 ]; then exit 0; fi
    sleep 0.5
done
echo "start_slurm.sh: the nodes did not come up; see ${dir}/*.log" >&2
exit 1

#!/bin/sh
# loopback.sh FOLDER PORT PORT: a Slurm cluster of one machine, this one, to try the job script with; as root, with
# Debian's slurm-wlm and munge. All its files are in FOLDER; SLURM_CONF=FOLDER/slurm.conf is what its commands need. To
# end it: kill the processes whose numbers are in FOLDER/run.
set -eu
folder=$1
host=$(hostname -s)
mkdir -p "$folder/spool" "$folder/state" "$folder/run"
dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 2>/dev/null
chmod 400 "$folder/munge.key"
munged --force --key-file="$folder/munge.key" --socket="$folder/run/munge.socket" --pid-file="$folder/run/munged.pid" \
  --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
cat >"$folder/slurm.conf" <<END
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.socket,cred_expire=6
SlurmctldPort=$2
SlurmdPort=$3
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/run/slurmctld.pid
SlurmdPidFile=$folder/run/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
slurmctld -f "$folder/slurm.conf"
slurmd -f "$folder/slurm.conf"
SLURM_CONF="$folder/slurm.conf"
export SLURM_CONF
for _ in $(seq 100); do
  sinfo --noheader --states=idle 2>/dev/null | grep -q . && exit 0
  sleep 0.2
done
echo "loopback.sh: the machine does not become idle; see $folder/*.log" >&2
exit 1

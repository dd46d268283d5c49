#!/bin/bash
# The same as a job of Slurm, which queues itself anew until the run is done, from the repository's folder:
#     sbatch docs/slurm.sh pretrain roberta --size base --corpus /shared/corpora/en --out /shared/runs/roberta
#SBATCH --nodes=8 --ntasks-per-node=1 --gpus-per-node=8 --cpus-per-task=64
#SBATCH --time=24:00:00 --signal=B:USR1@120 --requeue --open-mode=append
MASTER=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER NODES=$SLURM_NNODES GPUS=${SLURM_GPUS_PER_NODE##*:}

# On each node. Slurm may send a signal to all processes there, and a rank leaves at once if it gets a second one: so
# USR1 is for this shell alone, and torchrun asks its ranks to save and leave.
node='
(trap "" USR1; NODE_RANK=$SLURM_NODEID exec bash docs/nodes.sh "$@") & run=$!
trap "over=yes; kill -TERM $run" USR1
wait $run; code=$?
if [ -n "$over" ]; then wait $run; code=0; fi # not an error, for which the other nodes would be stopped
exit $code'

srun --kill-on-bad-exit=1 bash -c "$node" node "$@" & step=$!
trap 'over=yes; kill -USR1 $step' USR1 # two minutes before the time is over
wait $step; code=$?
if [ -n "$over" ]; then # --requeue is for nodes that fail: a job that ends is not queued anew by it
    wait $step
    scontrol requeue "$SLURM_JOB_ID"
fi
exit $code

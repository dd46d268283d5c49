#!/bin/bash
# A line of maskwright on several nodes, started on each of them:
#     MASTER=node0 NODES=2 NODE_RANK=0 bash docs/nodes.sh pretrain roberta --size base \
#         --corpus /shared/corpora/en --out /shared/runs/roberta
# and with NODE_RANK=1 on the second. Corpus and run lie where every node sees them. Once more, it goes on.
set -eu
exec torchrun --nnodes "$NODES" --node-rank "$NODE_RANK" --nproc-per-node "${GPUS:-8}" \
    --master-addr "$MASTER" --master-port "${PORT:-29500}" --max-restarts 3 -m maskwright "$@"

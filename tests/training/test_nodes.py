"""The scripts for several nodes, with stand-ins for Slurm's programs."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training.small_corpus import environment, maskwright
from tests.training.test_ranks import corpus, line, same, steps

__all__ = ["corpus"]  # a fixture

DOCS = Path(__file__).parents[2] / "docs"
SCONTROL = """#!/bin/bash
case $1 in show) echo localhost;; requeue) echo $2 >> requeued;; esac
"""
SRUN = """#!/bin/bash
shift
SLURM_NODEID=0 "$@" & task=$!
all() { echo $1; for child in $(pgrep -P $1); do all $child; done; }
trap 'kill -USR1 $(all $task)' USR1
wait $task; code=$?
while kill -0 $task 2> /dev/null; do wait $task; code=$?; done
exit $code
"""
"""A signal goes to all processes of the job, as Slurm sends it."""


@pytest.mark.parametrize("name", ["nodes.sh", "slurm.sh"])
def test_bash_can_read_the_scripts(name: str) -> None:
    read = subprocess.run(["bash", "-n", str(DOCS / name)], capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")


@pytest.mark.slow
def test_a_job_whose_time_is_over_saves_and_is_queued_anew(tmp_path: Path, corpus: Path) -> None:
    out = tmp_path / "out"
    assert maskwright(*line(corpus, tmp_path / "one")).returncode == 0
    (tmp_path / "docs").symlink_to(DOCS)
    for name, text in (("scontrol", SCONTROL), ("srun", SRUN)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    slurm = {"SLURM_JOB_NODELIST": "n0", "SLURM_NNODES": "1", "SLURM_GPUS_PER_NODE": "h100:2", "SLURM_JOB_ID": "7"}
    path = os.pathsep.join([str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"]])
    job = ["bash", "docs/slurm.sh", *line(corpus, out)]
    told = environment(**slurm, PATH=path, PORT=str(port))
    process = subprocess.Popen(job, cwd=tmp_path, env=told, stderr=subprocess.DEVNULL)
    while steps(out) < 10 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    process.wait(60)
    assert (out / "checkpoints" / f"step-{steps(out):08d}").is_dir(), "nothing was lost"
    assert (tmp_path / "requeued").read_text() == "7\n"
    assert subprocess.run(job, cwd=tmp_path, env=told, capture_output=True, timeout=120, check=False).returncode == 0
    assert same(tmp_path / "one", out)

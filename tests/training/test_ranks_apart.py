"""Processes of a run that are apart, as on two machines; and one of them that answers no more."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training.small_corpus import environment
from tests.training.test_ranks import corpus, done, line, same, steps, torchrun, workers

__all__ = ["corpus"]  # a fixture

TWO_HOSTS = """
ip link set lo up
PET_NODE_RANK=1 GLOO_SOCKET_IFNAME=far unshare -n bash -c '
    until ip link set far up 2> /dev/null; do sleep 0.1; done
    ip link set lo up
    ip addr add 10.0.0.2/24 dev far
    exec "$@"' - "$@" &
other=$!
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.1; done
ip link add near type veth peer name far netns $other
ip addr add 10.0.0.1/24 dev near
ip link set near up
PET_NODE_RANK=0 GLOO_SOCKET_IFNAME=near "$@" && wait $other
"""
"""A line on two hosts, joined by a wire: each is a network namespace, in which nothing of the other is seen."""


def no_namespaces() -> str | None:
    """Why hosts cannot be made here; None where they can."""
    missing = [tool for tool in ("unshare", "ip", "bash") if shutil.which(tool) is None]
    if missing:
        return f"no {' and no '.join(missing)} here"
    made = subprocess.run(["unshare", "-Urn", "true"], capture_output=True, text=True, check=False)
    return None if made.returncode == 0 else f"no network namespaces for this user: {made.stderr.strip()}"


@pytest.mark.slow
def test_two_hosts_make_the_weights_of_one_process(tmp_path: Path, corpus: Path) -> None:
    if reason := no_namespaces():
        pytest.skip(reason)
    done([sys.executable, "-m", "maskwright", *line(corpus, tmp_path / "one")])
    run = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    run += ["--master-addr", "10.0.0.1", "--master-port", "29500", "-m", "maskwright", *line(corpus, tmp_path / "two")]
    done(["unshare", "-Urn", "bash", "-c", TWO_HOSTS, "-", *run])
    assert same(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_a_frozen_process_ends_all_within_two_minutes(tmp_path: Path, corpus: Path) -> None:
    out = tmp_path / "frozen"
    launcher = subprocess.Popen(torchrun(2, *line(corpus, out)), env=environment(), stderr=subprocess.PIPE, text=True)
    while steps(out) < 10 and launcher.poll() is None:
        time.sleep(0.05)
    frozen = int(workers(launcher)[-1])
    os.kill(frozen, signal.SIGSTOP)
    try:
        _, said = launcher.communicate(timeout=120)
    finally:
        if launcher.poll() is None:
            os.kill(frozen, signal.SIGKILL)
    assert launcher.returncode == 1
    assert said.count("rank 0 lost another of the run's 2 processes") == 1, said[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("slow", [0, 1])
def test_a_rank_that_lives_is_waited_for(slow: int) -> None:
    """Longer than one that does not."""
    done(together(f"time.sleep(20 * (these.rank == {slow}))"))


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [0, 1])
def test_a_rank_that_is_frozen_is_not(frozen: int) -> None:
    said = done(together(f"these.rank == {frozen} and os.kill(os.getpid(), signal.SIGSTOP)"), rc=1)
    assert f"rank {1 - frozen} lost another of the run's 2 processes (rank {frozen} gave no sign of life for 1" in said


def together(what: str) -> list[str]:
    """A line that starts two ranks, of which each does that, and which have a patience of ten seconds."""
    code = f"""
import datetime, os, signal, time
from maskwright.training import launch, signs_of_life
signs_of_life.PATIENCE = datetime.timedelta(seconds=10)
with launch.all_ranks() as (these, _):
    these.each(lambda: {what})
"""
    run = torchrun(2, more=("--no-python",))[: -len(["-m", "maskwright"])]
    return [*run, sys.executable, "-c", code]

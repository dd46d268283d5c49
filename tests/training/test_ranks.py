"""Several processes on one run, as torchrun starts them: the weights are those of a single one, bit for bit."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from maskwright.errors import BadInput, MaskwrightError
from maskwright.training.launch import all_ranks
from maskwright.training.ranks import Ranks, Tree
from tests.checkpoints import made_up
from tests.training.small_corpus import SMALL, environment, make_corpus, maskwright

SHARED = "--training.micro_sequences 2 --training.groups 4".split()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def torchrun(count: int, *arguments: str | Path, more: tuple[str, ...] = ()) -> list[str]:
    """A line that starts so many processes, on a port of their own."""
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count), *more]
    return [*run, "-m", "maskwright", *map(str, arguments)]


def line(corpus: Path, out: Path, *more: str) -> list[str]:
    return ["pretrain", "bert", "--size", "tiny", "--corpus", str(corpus), "--out", str(out), *SMALL, *SHARED, *more]


def done(command: list[str], rc: int = 0) -> str:
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == rc, ended.stderr[-3000:]
    return ended.stderr


def same(one: Path, other: Path) -> bool:
    """Whether two runs have the same model and the same lines, times aside."""
    lines: list[list[Any]] = []
    for out in (one, other):
        entries = [json.loads(text) for text in (out / "metrics.jsonl").read_text().splitlines()]
        lines.append([{**entry, "timing": None} for entry in entries])
    models = [(out / "model" / "model.safetensors").read_bytes() for out in (one, other)]
    return lines[0] == lines[1] and models[0] == models[1]


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_a_tree_is_the_same_however_its_leaves_are_shared(count: int) -> None:
    leaves = torch.from_numpy(np.random.default_rng(0).standard_normal((8, 1000)).astype(np.float32)) * 1e3
    parts: list[torch.Tensor] = []
    for leaf in leaves.chunk(count):
        row = torch.empty(1000)
        tree = Tree()
        for values in leaf:
            row.copy_(values)
            tree.add(row)
        tree.finish(row)
        parts.append(row)
    while len(parts) > 1:
        parts = [left + right for left, right in zip(parts[::2], parts[1::2], strict=True)]
    pairs = (leaves[0::2] + leaves[1::2]).view(4, -1)
    fours = pairs[0::2] + pairs[1::2]
    assert torch.equal(parts[0], fours[0] + fours[1])


@pytest.mark.parametrize(("count", "groups"), [(8, None), (8, 4), (7, 8), (5, 2), (1, 4)])
def test_every_micro_batch_is_computed_by_one_rank(count: int, groups: int | None) -> None:
    for size in (1, 2):
        shared = [place for rank in range(size) for group in Ranks(rank, size).mine(count, groups) for place in group]
        assert shared == list(range(count))


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(BadInput, match="2 processes share the micro-batches of a step, and there are 1"):
        Ranks(0, 2).check(None, [1])
    with pytest.raises(BadInput, match=r"there are 1: lower second_phase\.micro_sequences"):
        Ranks(0, 2).check(None, [2, 1])
    with pytest.raises(BadInput, match=r"2 processes cannot share training\.groups 1"):
        Ranks(0, 2).check(1, [2])
    with pytest.raises(BadInput, match="pairs of pairs"):
        Ranks(0, 1).check(6, [6])


@pytest.mark.parametrize(
    ("size", "groups", "counts", "said"),
    [
        (3, None, [5], "5 micro-batches of a step on 3 processes: some compute 2, others 1 and wait; a multiple of 3"),
        (3, None, [6, 7], "7 micro-batches of a step on 3 processes: some compute 3, others 2 and wait"),
        (4, 8, [5], "some compute 2, others 0 and wait; a multiple of 8 would keep all busy"),
        (4, 8, [16], None),
        (2, None, [6, 4], None),
        (1, 4, [1], None),
    ],
)
def test_processes_that_wait_for_others_are_told_of(
    size: int, groups: int | None, counts: list[int], said: str | None
) -> None:
    told = Ranks(0, size).uneven(groups, counts)
    assert told is None if said is None else said in str(told)


def test_a_lost_rank_is_named_wherever_it_was_noticed() -> None:
    with pytest.raises(MaskwrightError, match="rank 1 lost another of the run's 3 processes"), Ranks(1, 3).noticing():
        raise RuntimeError("[/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer")
    with pytest.raises(RuntimeError, match="shapes"), Ranks(1, 3).noticing():
        raise RuntimeError("shapes cannot be multiplied")


def test_a_number_of_processes_that_nobody_started_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(BadInput, match="WORLD_SIZE is 2, and nobody says where"), all_ranks():
        pass


@pytest.mark.parametrize("shard", ["none", pytest.param("optimizer", marks=pytest.mark.slow)])
def test_two_processes_make_the_weights_of_one(shard: str, tmp_path: Path, corpus: Path) -> None:
    """Three micro-batches in four groups: the second has fewer to do."""
    short = ("--training.steps", "6", "--training.evaluate_every", "4", "--training.batch_sequences", "6")
    done([sys.executable, "-m", "maskwright", *line(corpus, tmp_path / "one", *short)])
    done(torchrun(2, *line(corpus, tmp_path / "two", *short, "--training.shard", shard)))
    assert same(tmp_path / "one", tmp_path / "two")
    files = [path.name for path in (tmp_path / "two" / "checkpoints" / "step-00000006").glob("*.safetensors")]
    assert len(files) == (2 if shard == "none" else 4), "each saves its own"


@pytest.mark.slow
@pytest.mark.parametrize(("count", "shard"), [(3, "none"), (3, "optimizer"), (2, "none"), (2, "optimizer")])
def test_without_groups_any_number_comes_to_the_same_but_for_rounding(
    count: int, shard: str, tmp_path: Path, corpus: Path
) -> None:
    """Five micro-batches, the last of one sequence: two each and one, or three and two."""
    given = ["--training.batch_sequences", "9", "--training.micro_sequences", "2", "--training.precision", "float32"]
    given += ["--training.steps", "12", "--training.warmup_share", "0"]
    plain = [word for word in line(corpus, tmp_path / "one", *given) if word not in ("--training.groups", "4")]
    done([sys.executable, "-m", "maskwright", *plain])
    plain[plain.index(str(tmp_path / "one"))] = str(tmp_path / "many")
    done(torchrun(count, *plain, "--training.shard", shard))
    one, many = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("one", "many"))
    assert one.keys() == many.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(many[name], tensor, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "told"),
    [("seed", r"training\.seed: 0 on rank 0, 1 on rank 1"), ("corpus", r"corpus: \w+ on rank 0, \w+ on rank 1; .*")],
)
def test_ranks_of_two_runs_are_refused(what: str, told: str, tmp_path: Path, corpus: Path) -> None:
    """Each is started with a seed of its own, as by a script that counts nodes, or finds another corpus on its disk."""
    other = make_corpus(tmp_path, documents=12)
    given = {
        "seed": line(corpus, tmp_path / "run", "--training.seed", "$RANK"),
        "corpus": line(Path("${corpora[RANK]}"), tmp_path / "run"),
    }[what]
    run = torchrun(2, more=("--no-python",))[: -len(["-m", "maskwright"])]
    each = f"corpora=({corpus} {other}); {sys.executable} -m maskwright {' '.join(given)}; exit $?"
    said = done([*run, "bash", "-c", each], rc=1)
    assert re.search(rf"the ranks disagree \({told}\): start all of them by the same line", said), said[-3000:]
    assert "exitcode  : 2" in said and not (tmp_path / "run").exists()  # torchrun stops who leaves a moment later


@pytest.mark.slow
def test_packed_rows_are_shared_too(tmp_path: Path, corpus: Path) -> None:
    packed = tuple(
        "--training.steps 6 --training.batch_tokens 1200 --training.micro_tokens 150 --second_phase.share 0".split()
    )
    done([sys.executable, "-m", "maskwright", *line(corpus, tmp_path / "one", *packed)])
    done(torchrun(2, *line(corpus, tmp_path / "two", *packed)))
    assert same(tmp_path / "one", tmp_path / "two")


def test_ranks_without_work_are_refused_before_anything_is_written(tmp_path: Path, corpus: Path) -> None:
    said = done(torchrun(2, *line(corpus, tmp_path / "run", "--training.micro_sequences", "8")), rc=1)
    assert "lower training.micro_sequences" in said and not (tmp_path / "run" / "recipe.toml").exists()


@pytest.mark.slow
@pytest.mark.parametrize("shards", [("none", "none"), ("optimizer", "optimizer"), ("none", "optimizer")])
def test_any_number_of_processes_goes_on(shards: tuple[str, str], tmp_path: Path, corpus: Path) -> None:
    """Four are asked to stop, two are killed, one ends it: the same weights as without all that."""
    assert maskwright(*line(corpus, tmp_path / "one")).returncode == 0
    out = tmp_path / "many"
    for count, number, shard in ((4, signal.SIGTERM, shards[0]), (2, signal.SIGKILL, shards[1])):
        before = steps(out)
        command = torchrun(count, *line(corpus, out, "--training.shard", shard))
        process = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
        while steps(out) < before + 9 and process.poll() is None:
            time.sleep(0.05)
        if number == signal.SIGKILL:  # a launcher that is killed leaves its workers running
            subprocess.run(["kill", "-9", *workers(process)], check=False)
        process.send_signal(number)
        process.wait(60)
    assert maskwright(*line(corpus, out)).returncode == 0
    assert same(tmp_path / "one", out)


@pytest.mark.slow
def test_a_lost_process_ends_all_and_a_restart_goes_on(tmp_path: Path, corpus: Path) -> None:
    assert maskwright(*line(corpus, tmp_path / "one")).returncode == 0
    out = tmp_path / "lost"
    command = torchrun(2, *line(corpus, out), more=("--max-restarts", "1"))
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
    while steps(out) < 10 and process.poll() is None:
        time.sleep(0.05)
    workers = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    subprocess.run(["kill", "-9", workers[-1]], check=True)
    assert process.wait(120) == 0
    assert same(tmp_path / "one", out)


@pytest.mark.slow
def test_fine_tuning_is_shared_too(tmp_path: Path) -> None:
    model = made_up.encoder(tmp_path / "model")
    pairs = [
        (text, name) for i in range(32) for text, name in ((f"a cat word{i % 5}", "x"), (f"paris word{i % 5}", "y"))
    ]
    table = tmp_path / "train.csv"
    table.write_text("text,label\n" + "".join(f"{text},{name}\n" for text, name in pairs))
    given = ["finetune", "classification", "--model", str(model), "--train", str(table), "--epochs", "2"]
    given += "--training.batch-sequences 8 --training.micro-sequences 4 --training.groups 2".split()
    assert maskwright(*given, "--out", tmp_path / "one").returncode == 0
    done(torchrun(2, *given, "--out", tmp_path / "two"))
    done(torchrun(2, *given, "--out", tmp_path / "shared", "--training.shard", "optimizer"))
    assert same(tmp_path / "one", tmp_path / "two") and same(tmp_path / "one", tmp_path / "shared")
    # summed on the way; of the last step of an epoch the second process has nothing
    done(torchrun(2, *given[:-2], "--out", tmp_path / "ahead"))
    assert same(tmp_path / "one", tmp_path / "ahead")


def workers(launcher: "subprocess.Popen[Any]") -> list[str]:
    """The processes that torchrun started."""
    return subprocess.run(
        ["pgrep", "-P", str(launcher.pid)], capture_output=True, text=True, check=False
    ).stdout.split()


def steps(out: Path) -> int:
    """Lines that a run has logged so far."""
    file = out / "metrics.jsonl"
    return file.read_text().count("\n") if file.exists() else 0

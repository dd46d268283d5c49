"""`maskwright pretrain`: bad input is one line and leaves nothing behind; signals leave a run that goes on."""

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maskwright.cli import main
from maskwright.corpus.read import Corpus
from maskwright.training import checkpoint
from maskwright.training.metrics import read_metrics
from tests.training.small_corpus import SMALL, command, environment, make_corpus, maskwright

QUICKLY = ["--training.steps", "6", "--training.log_every", "2"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def one_document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from maskwright.corpus.build import build_corpus
    from maskwright.text.samples import sample

    folder = tmp_path_factory.mktemp("one")
    (folder / "text.txt").write_text("\n".join(sample("en")[50].sentences[:60]) + "\n", encoding="utf-8")
    return build_corpus([folder / "text.txt"], folder / "corpus", vocab_size=300, held_out=0.0).path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Runs a line that must be refused, and gives what it says. Nothing in `tmp_path` may change."""

    def run(*arguments: str | Path, recipe: str = "bert", out: Path | None = None, code: int = 2) -> str:
        before = snapshot(tmp_path)
        got = main(["pretrain", recipe, "--out", str(out or tmp_path / "run"), *SMALL, *map(str, arguments)])
        captured = capsys.readouterr()
        assert (got, captured.out) == (code, ""), captured.err
        assert captured.err.startswith("maskwright: error: ") and captured.err.count("\n") == 1, captured.err
        assert snapshot(tmp_path) == before
        assert out is not None or not (tmp_path / "run").exists()
        return captured.err

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--layout.max_length", "600"], ["layout.max_length 600", "512 positions"]),
        (["--model.max_position_embeddings", "32"], ["layout.max_length 48", "32 positions"]),
        (["--model.hidden_size", "30", "--model.num_attention_heads", "4"], ["hidden_size 30", "attention_heads 4"]),
        (["--model.vocab_size", "100"], ["model.vocab_size 100", "tokens"]),
        (["--model.hiden_size", "64"], ["unknown key model.hiden_size", "did you mean model.hidden_size?"]),
        (["--training.setps", "5"], ["unknown key training.setps", "did you mean training.steps?"]),
        (["--optimiser.rate", "1e-3"], ["unknown key optimiser", "did you mean optimizer?"]),
        (["--training.steps", "0"], ["training.steps is 0", "greater than or equal to 1"]),
        (["--training.steps", "many"], ["training.steps is 'many'"]),
        (["--training.precision", "fp4"], ["training.precision is 'fp4'", "bf16"]),
        (["--optimizer.rate", "-1"], ["optimizer.rate is -1"]),
        (["--optimizer.rate", "inf"], ["optimizer.rate is inf"]),
        (["--optimizer.name", "adam"], ["optimizer.name is 'adam'", "adamw"]),
        (["--masks.masked", "0.9", "--masks.randomized", "0.3"], ["0.9", "0.3"]),
        (["--masks.rate", "1.5"], ["masks.rate is 1.5"]),
        (["--layout.max_length", "4"], ["layout.max_length is 4"]),
        (["--size", "huge"], ["no size 'huge'", "tiny"]),
        (["--start", "vectors-that-are-nowhere.txt"], ["vectors-that-are-nowhere.txt"]),
        (["--training.steps"], ["--training.steps needs a value"]),
    ],
)  # fmt: skip
def test_bad_settings(refused: Callable[..., str], corpus: Path, arguments: list[str], words: list[str]) -> None:
    said = refused("--corpus", corpus, *arguments)
    assert all(word in said for word in words), said


def test_unknown_names(refused: Callable[..., str], corpus: Path, tmp_path: Path) -> None:
    assert "did you mean bert?" in refused("--corpus", corpus, recipe="bret")
    assert "no recipe 'pretraining'" in refused("--corpus", corpus, recipe="pretraining")
    assert "which corpus?" in refused()
    assert "no folder" in refused("--corpus", tmp_path / "nowhere")
    assert "no such file" in refused("--corpus", corpus, recipe=str(tmp_path / "nowhere.toml"))


def test_one_document_has_no_random_next_sentence(refused: Callable[..., str], one_document: Path) -> None:
    assert "1 document" in refused("--corpus", one_document)


def damage(corpus: Path, copy: Path, change: Callable[[bytearray], bytearray | bytes]) -> Path:
    shutil.copytree(corpus, copy)
    shard = next(iter(sorted(copy.glob("train-*.arrow"))))
    shard.write_bytes(change(bytearray(shard.read_bytes())))
    return shard


def flipped(data: bytearray) -> bytearray:
    data[len(data) // 2] ^= 4
    return data


@pytest.mark.parametrize("fault", ["flipped", "truncated", "gone", "another tokenizer", "no manifest"])
def test_a_damaged_corpus_is_named(refused: Callable[..., str], corpus: Path, tmp_path: Path, fault: str) -> None:
    copy = tmp_path / "damaged"
    change = {"flipped": flipped, "truncated": lambda data: data[:-100]}.get(fault, bytes)
    shard = damage(corpus, copy, change)
    if fault == "gone":
        shard.unlink()
    if fault == "another tokenizer":
        file = copy / "tokenizer" / "tokenizer.json"
        content = json.loads(file.read_text(encoding="utf-8"))
        vocabulary = content["model"]["vocab"]
        vocabulary["##e"], vocabulary["##s"] = vocabulary["##s"], vocabulary["##e"]
        file.write_text(json.dumps(content), encoding="utf-8")
    if fault == "no manifest":
        (copy / "manifest.json").unlink()
    said = refused("--corpus", copy)
    assert (str(shard) if fault in ("flipped", "truncated", "gone") else str(copy)) in said


def test_an_output_that_is_something_else(refused: Callable[..., str], corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter-1.tex").write_text("It was a dark night.")
    assert "chapter-1.tex" in refused("--corpus", corpus, out=tmp_path / "thesis")
    (tmp_path / "file").write_text("not a folder")
    assert "is a file" in refused("--corpus", corpus, out=tmp_path / "file")
    assert "not a folder" in refused("--corpus", corpus, out=tmp_path / "file" / "run")


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "run"
    done = maskwright(
        "pretrain", "bert", "--size", "tiny", "--corpus", corpus, "--out", out, *SMALL, *QUICKLY, "--json"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["finished"] and result["step"] == 6 and Path(result["model"]) == out / "model"
    return out


def again(corpus: Path, out: Path, *changes: str, recipe: str = "bert") -> list[str]:
    return [
        "pretrain",
        recipe,
        "--size",
        "tiny",
        "--corpus",
        str(corpus),
        "--out",
        str(out),
        *SMALL,
        *QUICKLY,
        *changes,
    ]


@pytest.mark.parametrize(
    ("recipe", "changes", "words"),
    [
        ("bert", ["--training.steps", "7"], "training.steps = 6 there, 7 here"),
        ("bert", ["--optimizer.rate", "1e-3"], "optimizer.rate"),
        ("bert", ["--training.micro_sequences", "3"], "training.micro_sequences"),
        ("quick", [], "recipe = 'bert' there, 'quick' here"),
    ],
)
def test_a_folder_of_another_run_is_refused_and_untouched(
    corpus: Path, finished: Path, capsys: pytest.CaptureFixture[str], recipe: str, changes: list[str], words: str
) -> None:
    before = snapshot(finished)
    assert main(again(corpus, finished, *changes, recipe=recipe)) == 2
    said = capsys.readouterr().err
    assert words in said and "choose another folder" in said and said.count("\n") == 1
    assert snapshot(finished) == before


def test_another_corpus_in_the_same_folder_is_refused(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_corpus(tmp_path, documents=12)
    arguments = again(other, finished, "--model.vocab_size", str(Corpus.open(other).tokenizer.vocab_size))
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and ("another corpus" in said or "vocab_size" in said)


def test_a_finished_run_whose_checkpoints_are_gone_stays_finished(
    corpus: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    metrics = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert main(again(corpus, tmp_path / "run")) == 0
    assert "finished already, and its checkpoints are gone" in capsys.readouterr().err
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == metrics


def test_what_is_computed_twice_may_change(corpus: Path, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(again(corpus, finished, "--training.recompute", "layers")) == 0
    assert "finished already" in capsys.readouterr().err


def test_where_nothing_can_be_compiled_it_says_so_and_trains_as_written(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskwright.training.run.missing", lambda device: "no compiler is here")
    line = ["pretrain", "bert", "--corpus", str(corpus), *SMALL, *QUICKLY, "--out"]
    assert main([*line, str(tmp_path / "always"), "--training.compile", "always"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "no compiler is here" in line]
    assert len(said) == 1 and said[0].endswith("computed as it is written")
    assert main([*line, str(tmp_path / "never"), "--training.compile", "never"]) == 0
    always, never = ((tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("always", "never"))
    assert always == never


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="kernels for CPUs are made by a compiler")
def test_a_compiled_run_goes_on_bit_for_bit(corpus: Path, tmp_path: Path) -> None:
    """Each process makes its programs anew, or finds those of another one."""
    line = ("pretrain", "bert", "--corpus", corpus, *SMALL, "--training.compile", "always", "--training.steps", "8")
    for name in ("whole", "cut"):
        done = maskwright(*line, "--training.save_every", "4", "--out", tmp_path / name)
        assert done.returncode == 0 and "nothing can be compiled" not in done.stderr, done.stderr
        if name == "whole":
            shutil.copytree(tmp_path / "whole", tmp_path / "cut")
            shutil.rmtree(tmp_path / "cut" / "model")
            shutil.rmtree(checkpoint.folder_of(tmp_path / "cut", 8))
    whole, cut = ((tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_a_run_in_fp8_learns_and_goes_on_bit_for_bit(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its evaluation and its model are float32 like those of all runs."""
    line = [
        "pretrain",
        "bert",
        "--corpus",
        str(corpus),
        *SMALL,
        "--training.precision",
        "fp8",
        "--training.steps",
        "14",
    ]
    assert main([*line, "--out", str(tmp_path / "whole")]) == 0
    assert "multiplied as bf16" in capsys.readouterr().err
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    shutil.rmtree(tmp_path / "cut" / "model")
    shutil.rmtree(checkpoint.folder_of(tmp_path / "cut", 14))
    assert main([*line, "--out", str(tmp_path / "cut")]) == 0
    whole, cut = ((tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut
    entries = read_metrics(tmp_path / "whole")
    assert len(entries) == 14 and entries[-1]["loss"] < entries[0]["loss"]


def test_a_finished_run_says_so_and_its_recipe_repeats_it(
    corpus: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(finished)
    assert main(again(corpus, finished)) == 0
    assert "finished already" in capsys.readouterr().err
    assert snapshot(finished) == before
    repeated = maskwright("pretrain", finished / "recipe.toml", "--out", tmp_path / "again")
    assert repeated.returncode == 0, repeated.stderr
    for name in ("model/model.safetensors", "checkpoints/step-00000006/optimizer.safetensors", "recipe.toml"):
        assert (tmp_path / "again" / name).read_bytes() == (finished / name).read_bytes()


@pytest.mark.slow
def test_what_changes_nothing_may_change_on_resume(corpus: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(finished, out)
    for gone in ("model", "checkpoints/step-00000006", "report.html"):
        shutil.rmtree(out / gone) if (out / gone).is_dir() else (out / gone).unlink()
    done = maskwright(*again(corpus, out, "--training.save_every", "4", "--training.keep", "5"))
    assert done.returncode == 0, done.stderr
    assert (out / "model/model.safetensors").read_bytes() == (finished / "model/model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_passed_over(corpus: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    line = ["pretrain", "bert", "--size", "tiny", "--corpus", corpus, "--out", out, *SMALL, *QUICKLY]
    assert maskwright(*line, "--training.save_every", "2").returncode == 0
    assert checkpoint.steps(out) == [4, 6]
    file = checkpoint.folder_of(out, 6) / "model.safetensors"
    file.write_bytes(flipped(bytearray(file.read_bytes())))
    shutil.rmtree(out / "model")
    done = maskwright(*line, "--training.save_every", "2")
    assert done.returncode == 0 and str(file) in done.stderr and "going on from step 4" in done.stderr
    assert (out / "model/model.safetensors").read_bytes() == (finished / "model/model.safetensors").read_bytes()
    for step in checkpoint.steps(out):
        file = checkpoint.folder_of(out, step) / "optimizer.safetensors"
        file.write_bytes(file.read_bytes()[:-1])
    shutil.rmtree(out / "model")
    before = snapshot(out)
    done = maskwright(*line, "--training.save_every", "2")
    assert done.returncode == 2 and "no checkpoint is sound" in done.stderr and done.stderr.count("\n") == 1
    assert snapshot(out) == before


# --- signals, and two at once ---------------------------------------------------------------------


def begun(corpus: Path, out: Path, *changes: str) -> subprocess.Popen[str]:
    """A run under way: it has logged a line."""
    process = subprocess.Popen(
        command("pretrain", "bert", "--size", "tiny", "--corpus", corpus, "--out", out, *SMALL,
                "--training.steps", "40", *changes),
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    )  # fmt: skip
    while not read_metrics(out) and process.poll() is None:
        time.sleep(0.01)
    return process


SIGNALLED = ["--training.save_every", "1000", "--training.steps", "40"]


def until_done(corpus: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return maskwright("pretrain", "bert", "--size", "tiny", "--corpus", corpus, *SMALL, *SIGNALLED, "--out", out)


@pytest.fixture(scope="module")
def whole(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    assert until_done(corpus, out).returncode == 0
    return out


def logged(folder: Path) -> list[dict[str, object]]:
    return [{key: value for key, value in entry.items() if key != "timing"} for entry in read_metrics(folder)]


@pytest.mark.parametrize("interrupt", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_leaves_a_run_that_goes_on_as_if_nothing_had_been(
    corpus: Path, whole: Path, tmp_path: Path, interrupt: signal.Signals
) -> None:
    out = tmp_path / "cut"
    process = begun(corpus, out, *SIGNALLED)
    process.send_signal(interrupt)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 128 + interrupt and interrupt.name in stderr and "Traceback" not in stderr
    assert re.search(r"^finished\s+no$", stdout, re.MULTILINE)
    (step,) = checkpoint.steps(out)
    assert 1 <= step < 40 and read_metrics(out)[-1]["step"] == step and not (out / ".lock").exists()
    done = until_done(corpus, out)
    assert done.returncode == 0 and f"going on from step {step}" in done.stderr
    assert logged(out) == logged(whole)
    assert snapshot(checkpoint.folder_of(out, 40)) == snapshot(checkpoint.folder_of(whole, 40))
    assert snapshot(out / "model") == snapshot(whole / "model")


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(corpus: Path, tmp_path: Path) -> None:
    process = begun(corpus, tmp_path / "run", "--training.batch_sequences", "4000", "--training.log_every", "1")
    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode in (-signal.SIGTERM, 143)  # 143: it had left before the second came


def test_two_at_once_are_refused(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = begun(corpus, out, "--training.steps", "100000", "--training.save_every", "100000")
    second = maskwright("pretrain", "bert", "--size", "tiny", "--corpus", corpus, "--out", out, *SMALL,
                        "--training.steps", "100000", "--training.save_every", "100000")  # fmt: skip
    assert second.returncode == 2 and f"process {process.pid} " in second.stderr and second.stderr.count("\n") == 1
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 143 and len(checkpoint.steps(out)) == 1


# --- places that cannot be written to -------------------------------------------------------------

MOUNTS = shutil.which("unshare") is not None and (
    subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0
)


def mounted(folder: Path, options: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A line with a file system of its own at `folder`; behind its log stands what is in the folder at its end."""
    folder.mkdir()
    script = (
        f'mount -t tmpfs -o {options} tmpfs "$0" && "$@"; code=$?; '
        'echo "--- left" >&2; find "$0" -mindepth 1 -not -name "events*" >&2; exit $code'
    )
    line = ["unshare", "-rm", "sh", "-c", script, str(folder), *command(*arguments)]
    return subprocess.run(line, capture_output=True, text=True, env=environment(), timeout=300)


@pytest.mark.skipif(not MOUNTS, reason="needs the right to mount")
def test_no_permission(corpus: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    done = mounted(place, "ro", "pretrain", "bert", "--corpus", corpus, "--out", place / "run", *SMALL)
    said, _, left = done.stderr.partition("--- left\n")
    assert done.returncode == 2 and said.startswith("maskwright: error: ") and said.count("\n") == 1
    assert "read-only file system" in said and str(place / "run") in said and left == ""


@pytest.mark.skipif(not MOUNTS, reason="needs the right to mount")
@pytest.mark.parametrize("kilobytes", [4, pytest.param(300, marks=pytest.mark.slow), 900])
def test_no_space_left(corpus: Path, tmp_path: Path, kilobytes: int) -> None:
    """Too little for anything, for one checkpoint, and for two with a third under way."""
    place = tmp_path / "place"
    done = mounted(
        place, f"size={kilobytes}k", "pretrain", "bert", "--size", "tiny", "--corpus", corpus, "--out", place / "run",
        *SMALL, "--training.save_every", "3", "--training.keep", "2",
    )  # fmt: skip
    said, _, left = done.stderr.partition("--- left\n")
    errors = [line for line in said.splitlines() if line.startswith("maskwright: error: ")]
    assert done.returncode == 2 and len(errors) == 1 and "Traceback" not in said, done.stderr
    assert "no space left" in errors[0] and str(place / "run") in errors[0]
    assert "partial" not in left
    saved = set(re.findall(r"step-(\d+)", left))
    for step in saved:  # what is there is whole
        assert f"step-{step}/manifest.json" in left and f"step-{step}/model.safetensors" in left
    assert bool(saved) == (kilobytes == 900)


@pytest.mark.parametrize("recipe", ["bert", "gpt"])
def test_a_corpus_smaller_than_a_step_is_told_before_it(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str], recipe: str
) -> None:
    line = ["pretrain", recipe, "--size", "tiny", "--corpus", str(corpus), "--training.steps", "1"]
    few = ["--training.batch_sequences", "2000", "--training.held_out_sequences", "8", "--layout.max_length", "32"]
    assert main([*line, *few, "--out", str(tmp_path / "few")]) == 0
    said = capsys.readouterr().err
    told = re.search(r"warning: a step has 2,000 sequences and the corpus ([\d,]+): each comes ([\d.]+) times", said)
    assert told and float(told[2]) == pytest.approx(2000 / int(told[1].replace(",", "")), abs=0.051)
    assert said.index("warning: a step has") < said.index("one example of step 1")
    assert main([*line, "--training.batch_sequences", "16", "--out", str(tmp_path / "enough")]) == 0
    assert "warning" not in capsys.readouterr().err

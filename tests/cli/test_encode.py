"""The verb encode: vectors as JSON lines and as .npy, in order, whole or not at all, in constant memory."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import maskwright as mw
import maskwright.cli.encode as verb
from maskwright.cli import main
from tests.checkpoints import made_up

TEXTS = ["Paris is blue", "", "中国人 sat", "the cat", "a mat and a river"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("encode") / "model"
    made_up.folder(path)
    return path


def vectors(lines: str) -> np.ndarray:
    return np.array([json.loads(line)["vector"] for line in lines.splitlines()], dtype=np.float32)


def test_json_lines_bring_every_bit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", str(folder), *TEXTS]) == 0
    captured = capsys.readouterr()
    assert [json.loads(line)["text"] for line in captured.out.splitlines()] == TEXTS
    assert np.array_equal(vectors(captured.out), mw.load(folder).encode(TEXTS))
    assert captured.err == ""


@pytest.mark.parametrize("pooling", ["mean", "cls", "pooler"])
@pytest.mark.parametrize("part", [2, 1024])
def test_a_file_of_vectors(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    pooling: str,
    part: int,
) -> None:
    """Written part by part, every row where its line was; an empty line is an empty text."""
    monkeypatch.setattr(verb, "LINES", part)
    (tmp_path / "a.txt").write_text("\n".join(TEXTS[:3]) + "\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress("\r\n".join(TEXTS[3:]).encode()))
    options = ["--file", str(tmp_path / "a.txt"), "--file", str(tmp_path / "b.txt.gz"), "--pooling", pooling]
    expected = mw.load(folder).encode(TEXTS, pooling=pooling, normalize=True)
    assert main(["encode", str(folder), *options, "--normalize", "--out", str(tmp_path / "v.npy"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"texts": 5, "dimensions": 16, "out": str(tmp_path / "v.npy")}
    found = np.load(tmp_path / "v.npy")
    assert found.dtype == np.float32 and found.shape == (5, 16) and np.abs(found - expected).max() < 1e-6
    assert main(["encode", str(folder), *options, "--normalize", "--out", str(tmp_path / "v.jsonl")]) == 0
    assert np.array_equal(vectors((tmp_path / "v.jsonl").read_text()), found)


def test_standard_input(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "maskwright", "encode", str(folder)],
        input="\n".join(TEXTS) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert np.abs(vectors(done.stdout) - mw.load(folder).encode(TEXTS)).max() < 1e-6


def test_no_texts_are_an_empty_file(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "maskwright", "encode", str(folder), "--out", str(tmp_path / "v.npy")],
        input="",
        capture_output=True,
        text=True,
        check=True,
    )
    assert np.load(tmp_path / "v.npy").shape == (0, 16) and "0" in done.stdout


def test_a_failure_in_the_middle_leaves_what_was_there(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "LINES", 2)
    (tmp_path / "a.txt").write_text("\n".join([*TEXTS, "cat " * 100]) + "\n")
    out = tmp_path / "v.npy"
    out.write_bytes(b"old")
    assert main(["encode", str(folder), "--file", str(tmp_path / "a.txt"), "--out", str(out)]) == 2
    assert "text 6 has 102 tokens with [CLS] and [SEP], the limit is 64" in capsys.readouterr().err
    assert out.read_bytes() == b"old" and sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "v.npy"]
    assert main(["encode", str(folder), "--file", str(tmp_path / "a.txt"), "--out", str(out), "--truncate"]) == 0
    assert np.load(out).shape == (6, 16)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a", "--out", "v.csv"], "v.csv: vectors are written to .npy or .jsonl files"),
        (["a", "--out", "no/v.npy"], "there is no folder no: make it first"),
        (["a", "--file", "x.txt"], "texts and --file were given: give one of them"),
        (["--file", "x.txt"], "x.txt does not exist"),
        (["--file", "latin.txt"], "latin.txt is not UTF-8: byte 3 (0xe9, line 1)"),
        (["a", "--pooling", "max"], "--pooling"),
        (["a", "--dtype", "int4"], "--dtype"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.txt").write_bytes("caf\xe9\n".encode("latin-1"))
    assert main(["encode", str(folder), *arguments]) == 2
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("maskwright: error")]
    assert len(errors) == 1 and words in errors[0] and captured.out == ""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_texts(tmp_path: Path) -> None:
    made_up.folder(tmp_path / "model", hidden_size=64, num_hidden_layers=1)
    script = """
import sys
from maskwright.cli import main
assert main(sys.argv[1:]) == 0
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1], file=sys.stderr)
"""
    peaks, sizes = [], []
    for count in (5_000, 35_000):
        (tmp_path / "texts.txt").write_text("the cat sat\n" * count)
        command = [
            "encode",
            str(tmp_path / "model"),
            "--file",
            str(tmp_path / "texts.txt"),
            "--out",
            str(tmp_path / "v.jsonl"),
        ]
        done = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, check=True)
        peaks.append(int(done.stderr.split()[-1]) * 1024)
        sizes.append((tmp_path / "v.jsonl").stat().st_size)
    assert sizes[1] - sizes[0] > 20e6
    assert peaks[1] - peaks[0] < 10e6, "of what was written nothing is kept"

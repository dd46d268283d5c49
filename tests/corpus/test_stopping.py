"""Builds that were stopped, killed, damaged or whose inputs changed: the same command goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskwright.corpus.build import build_corpus
from maskwright.corpus.sources import Unit
from maskwright.errors import BadInput
from maskwright.tokenizers.wordpiece import WordPiece
from tests.corpus.folders import contents, write_sentences


class Stopped(BaseException):
    """Stands for whatever stops a process."""


def stopping_at(moment: int, call: Callable[..., Any], count: list[int]) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] == moment:
            raise Stopped
        return call(*arguments, **named)

    return counted


def test_stopped_before_every_durable_step_it_goes_on(
    chapters: list[list[str]], tokenizer: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = write_sentences(tmp_path / "t.txt", [chapter[:5] for chapter in chapters[:20]])

    def make(out: str) -> None:
        build_corpus([text], tmp_path / out, tokenizer=tokenizer, shard_tokens=1000)

    make("whole")
    wanted = contents(tmp_path / "whole")
    for moment in range(1, 200):
        count = [0]
        with monkeypatch.context() as patched:
            for name in ("fsync", "replace", "rename", "unlink"):
                patched.setattr(os, name, stopping_at(moment, getattr(os, name), count))
            try:
                make(f"c{moment}")
            except Stopped:
                pass
            else:
                break
        make(f"c{moment}")
        assert contents(tmp_path / f"c{moment}") == wanted
        assert not (tmp_path / f"c{moment}.partial").exists()
    assert 20 < moment < 199


def test_another_command_does_not_take_over_what_one_began(
    text: Path, tokenizer: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("maskwright.corpus.work.WorkFolder.publish", stopping_at(1, print, [0]))
        with pytest.raises(Stopped):
            build_corpus([text], tmp_path / "c", tokenizer=tokenizer)
    with pytest.raises(BadInput, match="another command began .*held_out"):
        build_corpus([text], tmp_path / "c", tokenizer=tokenizer, held_out=0.2)
    assert build_corpus([text], tmp_path / "c", tokenizer=tokenizer).train.num_tokens


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("plan.json", lambda data: b""),
        ("plan.json", lambda data: data[:-20]),
        ("plan.json", lambda data: b"[1, 2]"),
        ("plan.json", lambda data: b"[" * 100_000),
        ("plan.json", lambda data: data.replace(b'"bytes": 9', b'"bytes": 8')),
        ("units.jsonl", lambda data: data[:-1]),
        ("units.jsonl", lambda data: data.replace(b".txt", b".csv")),
        ("read/*.json", lambda data: data.replace(b'"documents": 1', b'"documents": 2')),
        (
            "read/*.arrow",
            lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
        ),
        ("encoded/00000.json", lambda data: data[:-2]),
        ("encoded/00000.json", lambda data: data.replace(b'"words": ', b'"words": 1')),
    ],
)
def test_damage_to_what_was_begun_is_named(
    text: Path, tokenizer: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, damage: Callable[[bytes], bytes],
) -> None:  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr("maskwright.corpus.work.WorkFolder.publish", stopping_at(1, print, [0]))
        with pytest.raises(Stopped):
            build_corpus([text], tmp_path / "c", tokenizer=tokenizer, shard_tokens=50_000)
    (file,) = (tmp_path / "c.partial").glob(name)
    if name.endswith(".arrow"):
        (tmp_path / "c.partial" / "encoded" / "00000.json").unlink()  # or nobody would read it again
    good = file.read_bytes()
    assert damage(good) != good
    file.write_bytes(damage(good))
    there = sorted(os.listdir(file.parent))
    with pytest.raises(
        BadInput, match=rf"{file.name}.* is damaged: restore it, or remove .*c\.partial to begin"
    ) as caught:
        build_corpus([text], tmp_path / "c", tokenizer=tokenizer, shard_tokens=50_000)
    assert "\n" not in str(caught.value) and sorted(os.listdir(file.parent)) == there
    file.write_bytes(good)
    assert build_corpus([text], tmp_path / "c", tokenizer=tokenizer, shard_tokens=50_000).train.num_tokens


def test_after_an_input_was_mended_only_it_is_read_again(
    chapters: list[list[str]], tokenizer: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        write_sentences(folder / f"{number}.txt", chapters[number * 10 : number * 10 + 10])
    monkeypatch.setattr("maskwright.corpus.sources.UNIT_BYTES", (100_000, 100_000))
    good = (folder / "2.txt").read_bytes()
    (folder / "2.txt").write_bytes(good + b"\xff")
    with pytest.raises(BadInput, match=rf"2\.txt is not UTF-8: byte {len(good)} "):
        build_corpus([folder], tmp_path / "c", tokenizer=tokenizer)
    (folder / "2.txt").write_bytes(good)
    read: list[str] = []
    documents = Unit.documents
    monkeypatch.setattr(Unit, "documents", lambda unit, language: (read.append(unit.key), documents(unit, language))[1])
    made = build_corpus([folder], tmp_path / "c", tokenizer=tokenizer)
    assert len(read) == 2  # the one that was mended and the one behind it
    assert contents(made.path) == contents(build_corpus([folder], tmp_path / "d", tokenizer=tokenizer).path)


def test_inputs_that_changed_meanwhile_are_read_anew(
    text: Path, tokenizer: WordPiece, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "chapters.txt"
    path.write_bytes(text.read_bytes())
    with monkeypatch.context() as patched:
        patched.setattr("maskwright.corpus.work.WorkFolder.publish", stopping_at(1, print, [0]))
        with pytest.raises(Stopped):
            build_corpus([path], tmp_path / "c", tokenizer=tokenizer)
    changed = text.read_text().replace("a", "e")
    path.write_text(changed)
    os.utime(path, ns=(1, 1))
    ours = build_corpus([path], tmp_path / "c", tokenizer=tokenizer)
    assert ours.fingerprint == build_corpus([path], tmp_path / "d", tokenizer=tokenizer).fingerprint


BUILD = """
import sys
from maskwright.corpus import sources
from maskwright.corpus.build import build_corpus
sources.UNIT_BYTES = 40_000, 40_000
if __name__ == "__main__":
    text, tokenizer, out = sys.argv[1:]
    build_corpus([text], out, tokenizer=tokenizer, workers=2, shard_tokens=4000)
"""


def children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == parent:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for worker processes in /proc")
def test_killed_at_random_moments_it_ends_in_the_same_bytes(text: Path, tokenizer: WordPiece, tmp_path: Path) -> None:
    (tmp_path / "build.py").write_text(BUILD)
    tokenizer.save(tmp_path / "t")
    rng = np.random.default_rng(0)

    def start(out: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, tmp_path / "build.py", text, tmp_path / "t", tmp_path / out]
        return subprocess.Popen(command)

    assert start("whole").wait() == 0

    def finished() -> int:
        return len(list(tmp_path.glob("c.partial/read/*.json"))) + len(list(tmp_path.glob("c.partial/encoded/*")))

    kills = 0
    while not (tmp_path / "c").exists():
        process = start("c")
        before = finished()
        while process.poll() is None and finished() <= before:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        workers = children(process.pid)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        deadline = time.monotonic() + 20
        while any(Path(f"/proc/{worker}").exists() for worker in workers):
            assert time.monotonic() < deadline, "workers outlive their parent"
            time.sleep(0.05)
    assert kills >= 3
    assert contents(tmp_path / "c") == contents(tmp_path / "whole")

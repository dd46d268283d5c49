"""Checksums beside the training: what is damaged ends the run before anything of it is saved."""

from pathlib import Path

import pytest

from maskwright.cli import main
from maskwright.corpus.checking import Checking
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.training import checkpoint
from tests.training.small_corpus import SMALL, make_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return make_corpus(tmp_path)


def flip(folder: Path) -> None:
    """One bit of a token's id."""
    file = next(folder.glob("train-*.arrow"))
    content = bytearray(file.read_bytes())
    content[len(content) // 4] ^= 1
    file.write_bytes(bytes(content))


def test_a_sound_corpus_is_sound_in_both_ways(corpus: Path) -> None:
    for quick in (0, 10**9):
        with Checking(Corpus.open(corpus), quick=quick) as check:
            check.start()
            check.look()
            check.wait()


def test_a_small_corpus_is_refused_at_once_and_a_large_one_when_it_was_read(corpus: Path) -> None:
    flip(corpus)
    with Checking(Corpus.open(corpus)) as check, pytest.raises(BadInput, match=r"train-.*does not match its sha256"):
        check.start()
    with Checking(Corpus.open(corpus), quick=0) as check:
        check.start()
        with pytest.raises(BadInput, match=r"train-.*does not match its sha256"):
            check.wait()
        with pytest.raises(BadInput, match="sha256"):
            check.look()


def test_a_file_that_is_gone_meanwhile_is_told(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Corpus.open(corpus)
    with Checking(opened, quick=0) as check:
        monkeypatch.setattr(opened, "check", lambda **_: next(corpus.glob("held-out-*")).unlink())
        check.start()
        with pytest.raises(FileNotFoundError, match="held-out"):
            check.wait()


def test_leaving_ends_the_thread(corpus: Path) -> None:
    with Checking(Corpus.open(corpus), quick=0) as check:
        check.start()
    check.wait()


@pytest.mark.parametrize("seconds", [0.0, 1.5])
def test_a_run_ends_and_saves_nothing(
    tmp_path: Path,
    corpus: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    seconds: float,
) -> None:
    """Found before the first step, or while steps are made: the first checkpoint would be that of step 7."""
    import time

    read = Corpus.check_sum

    def slow(self: Corpus, entry: object) -> None:
        time.sleep(seconds)
        read(self, entry)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Checking.__init__, "__kwdefaults__", {"quick": 0})
    monkeypatch.setattr(Corpus, "check_sum", slow)
    flip(corpus)
    line = ["pretrain", "bert", "--corpus", str(corpus), "--out", str(tmp_path / "run"), *SMALL]
    assert main(line) == 2
    said = capsys.readouterr().err
    assert "comparing the checksums of" in said and "beside the training" in said
    assert "does not match its sha256 in the manifest: the shard is damaged" in said.splitlines()[-1]
    assert checkpoint.steps(tmp_path / "run") == []

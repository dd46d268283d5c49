"""A recipe.toml that somebody wrote, given to the command line."""

from pathlib import Path

import pytest

from maskwright.cli import main
from maskwright.config import plain, read_toml, write_toml
from maskwright.recipes import bert, folder_for
from tests.training.small_corpus import make_corpus

QUICKLY = (
    "--training.steps 2 --training.batch_sequences 4 --training.held_out_sequences 4 --layout.max_length 32".split()
)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing but a recipe.toml, comments and all, to work in."""
    corpus = make_corpus(tmp_path)
    place = tmp_path / "place"
    place.mkdir()
    recipe = bert.recipe("tiny", str(corpus), 600)
    (place / "recipe.toml").write_text(f"# why: the third try\n{write_toml(plain(recipe))}", encoding="utf-8")
    monkeypatch.chdir(place)
    return place / "recipe.toml"


def test_stays_as_it_is_and_the_run_goes_elsewhere(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written.read_bytes()
    assert main(["pretrain", "recipe.toml", *QUICKLY, "--keep", "3"]) == 0
    assert written.read_bytes() == before
    assert sorted(path.name for path in written.parent.iterdir()) == ["recipe.toml", "runs"]
    run = written.parent / "runs" / "bert-tiny"
    assert (run / "model").is_dir()
    assert read_toml(run / "recipe.toml")["training"]["keep"] == 3
    capsys.readouterr()
    assert main(["pretrain", str(run / "recipe.toml")]) == 0  # the recipe of a run means that run
    assert "finished already" in capsys.readouterr().err


def test_is_not_overwritten_by_a_run_beside_it(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written.read_bytes()
    assert main(["pretrain", "recipe.toml", *QUICKLY, "--out", "."]) == 2
    assert "no run's" in capsys.readouterr().err
    assert written.read_bytes() == before
    assert sorted(path.name for path in written.parent.iterdir()) == ["recipe.toml"]


def test_another_file_in_a_run_is_not_the_runs(tmp_path: Path) -> None:
    for name in ("recipe.toml", "environment.json", "mine.toml"):
        (tmp_path / name).touch()
    recipe = bert.recipe("tiny", "corpus", 600)
    assert folder_for(str(tmp_path / "recipe.toml"), recipe) == tmp_path
    assert folder_for(str(tmp_path / "mine.toml"), recipe) == Path("runs/bert-tiny")
    assert folder_for("bert", recipe) == Path("runs/bert-tiny")


@pytest.mark.parametrize(("size", "near"), [("smal", "small"), ("Base", "base"), ("tinny", "tiny")])
def test_a_wrong_size_has_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str], size: str, near: str) -> None:
    assert main(["pretrain", "bert", "--size", size, "--corpus", str(tmp_path)]) == 2
    assert f"no size {size!r}; did you mean {near}?" in capsys.readouterr().err


def test_looking_at_a_recipe_reads_no_shard_and_training_reads_them_all(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = Path(read_toml(written)["corpus"])
    shard = next(iter(corpus.glob("held-out-*.arrow")))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 4
    shard.write_bytes(data)
    assert main(["show", "recipe.toml", "--examples", "1", "--tokens", "1"]) == 0
    capsys.readouterr()
    assert main(["pretrain", "recipe.toml", *QUICKLY]) == 2
    assert str(shard) in capsys.readouterr().err

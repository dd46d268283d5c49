"""`maskwright finetune --seeds` and `--search`: runs beside each other, gone on with where they were stopped."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskwright.tasks import several
from tests.checkpoints import made_up
from tests.cli.test_finetune import examples, run, table

SMALL = ("--optimizer.rate", "1e-2", "--training.batch-sequences", 16, "--epochs", 1, "--json")


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    made_up.folder(tmp_path / "model", ("mlm",))
    return tmp_path / "model"


def mixed(count: int) -> list[tuple[str, ...]]:
    """Examples of which every fourth says the other class: seeds differ."""
    found = examples(count)
    other = {"animal": "place", "place": "animal"}
    return [(text, other[name] if i % 4 == 0 else name) for i, (text, name) in enumerate(found)]


def line(tmp_path: Path, encoder: Path, *more: object) -> tuple[object, ...]:
    train = table(tmp_path / "train.csv", mixed(8))
    return ("finetune", "classification", "--model", encoder, "--train", train, "--out", tmp_path / "out", *more)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.name in ("evaluation.json", "model.safetensors", "summary.json", "search.json")
    }


def test_seeds_are_summed_up_and_gone_on_with(
    tmp_path: Path, encoder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = line(tmp_path, encoder, *SMALL, "--training.seed", 5, "--seeds", 3)
    assert run(*asked) == 0
    result = json.loads(capsys.readouterr().out)
    runs = result["runs"]
    assert [(one["run"], one["training.seed"]) for one in runs] == [("seed-0", 5), ("seed-1", 6), ("seed-2", 7)]
    values = [json.loads((tmp_path / "out" / one["run"] / "evaluation.json").read_text())["accuracy"] for one in runs]
    spread = result["measures"]["accuracy"]
    assert spread["mean"] == pytest.approx(np.mean(values)) and spread["deviation"] == pytest.approx(
        np.std(values, ddof=1)
    )
    assert (spread["min"], spread["max"]) == (min(values), max(values))
    assert result["best"]["accuracy"] == max(values) and "too good" in result["note"]
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert written == {key: value for key, value in result.items() if key not in ("run", "finished", "model")}

    # all seeds put the same aside, and move the rest
    tables = {(tmp_path / "out" / f"seed-{k}" / "environment.json").read_text().split('"corpus"')[1] for k in range(3)}
    assert len(tables) == 1
    weights = {(tmp_path / "out" / f"seed-{k}" / "model" / "model.safetensors").read_bytes() for k in range(3)}
    assert len(weights) == 3

    wanted = files(tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "seed-1")
    begun: list[str] = []
    learn = several.learn
    monkeypatch.setattr(
        several, "learn", lambda made, out, **more: (begun.append(out.name), learn(made, out, **more))[1]
    )
    assert run(*asked) == 0
    assert begun == ["seed-0", "seed-1", "seed-2"] and files(tmp_path / "out") == wanted
    said = capsys.readouterr().err
    assert said.count("finished already") == 2 and said.count("the first example") == 1
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("<circle") == 3 * len(result["measures"]) and "seed-2" in page


def test_a_grid_is_sorted_by_the_measure_that_decides(
    tmp_path: Path, encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = ("--space.optimizer.rate", "[1e-2, 1e-6]", "--space.training.batch_sequences", "[8, 16]")
    assert run(*line(tmp_path, encoder, "--epochs", 1, "--json", "--search", "grid", *space)) == 0
    result = json.loads(capsys.readouterr().out)
    runs = result["runs"]
    assert len(runs) == 4 and [one["accuracy"] for one in runs] == sorted((o["accuracy"] for o in runs), reverse=True)
    tried = {(one["optimizer.rate"], one["training.batch_sequences"]) for one in runs}
    assert tried == {(1e-2, 8), (1e-2, 16), (1e-6, 8), (1e-6, 16)}
    assert result["model"] == str(tmp_path / "out" / runs[0]["run"] / "model")
    recipe = (tmp_path / "out" / "trial-3" / "recipe.toml").read_text()
    assert "rate = 1e-06" in recipe and "batch_sequences = 16" in recipe
    assert (tmp_path / "out" / "search.json").is_file() and (tmp_path / "out" / "report.html").is_file()


def test_optuna_goes_on_as_if_it_had_not_been_stopped(
    tmp_path: Path, encoder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed inside a trial, after it, and asked for fewer trials first: the same trials in the end."""
    pytest.importorskip("optuna")
    space = (
        "--space.optimizer.rate",
        "{lo = 1e-4, hi = 1e-2, log = true}",
        "--space.training.batch_sequences",
        "[8, 16]",
    )
    asked = (*line(tmp_path, encoder, "--epochs", 1, "--json", *space), "--search", "optuna")
    assert run(*asked, "--trials", 3) == 0
    whole = json.loads(capsys.readouterr().out)
    tried = [one["optimizer.rate"] for one in whole["runs"]]
    assert len(set(tried)) == 3 and all(1e-4 <= rate <= 1e-2 for rate in tried)
    wanted = files(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")

    class Killed(Exception):
        pass

    learn, deaths = several.learn, list[str]()

    def dies(made: Any, out: Path, **more: Any) -> Any:
        """Before trial 1 has learned anything; and when trial 2 is done, before anybody is told."""
        done = None if out.name == "trial-1" and out.name not in deaths else learn(made, out, **more)
        if out.name in ("trial-1", "trial-2") and out.name not in deaths:
            deaths.append(out.name)
            raise Killed
        return done

    with monkeypatch.context() as patch:
        patch.setattr(several, "learn", dies)
        for trials in (1, 3, 3, 3):
            try:
                code = run(*asked, "--trials", trials)
            except Killed:
                continue
            assert code in (0, 1)
    assert deaths == ["trial-1", "trial-2"]
    capsys.readouterr()
    assert run(*asked, "--trials", 3) == 0
    assert json.loads(capsys.readouterr().out) == whole and files(tmp_path / "out") == wanted
    other = [re.sub("hi = 1e-2", "hi = 1e-3", str(part)) for part in asked]
    assert run(*other, "--trials", 3) == 2
    assert "holds a search of another space" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--seeds", 2, "--search", "grid"), "are two things"),
        (("--seeds", 0), "--seeds 0: at least 1"),
        (("--trials", 5), "goes with --search optuna"),
        (("--search", "grid", "--trials", 5), "--trials goes with --search optuna"),
        (("--search", "grid", "--space.epochs", "{lo = 1, hi = 2}"), "a grid has values"),
        (("--search", "grid", "--space.epochs", "3"), "space.epochs is 3: give values"),
        (("--search", "optuna", "--space.epochs", "{lo = 3, hi = 2}"), "lo below hi"),
        (("--search", "optuna", "--space.epochs", "{lo = 0, hi = 2, log = true}"), "begins above 0"),
        (("--search", "grid", "--space.optimiser.rate", "[1e-3]"), "did you mean optimizer"),
    ],
)
def test_what_does_not_go_together_is_refused_in_a_line(
    more: tuple[object, ...], said: str, tmp_path: Path, encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*line(tmp_path, encoder, *more)) == 2
    assert said in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_single_run_s_folder_is_no_place_for_several(
    tmp_path: Path, encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*line(tmp_path, encoder, *SMALL)) == 0
    assert run(*line(tmp_path, encoder, *SMALL, "--seeds", 2)) == 2
    assert "holds a single run" in capsys.readouterr().err

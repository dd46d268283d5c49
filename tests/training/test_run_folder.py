import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from maskwright.errors import BadInput
from maskwright.training import checkpoint
from maskwright.training.run_folder import RunFolder, environment

RECIPE = {
    "recipe": "bert",
    "seed": 1,
    "corpus": "corpora/en",
    "clip": None,
    "model": {"hidden_size": 128},
    "training": {"steps": 100, "rate": 1e-4, "keep": 2, "log_every": 10},
}


def changed(**changes: object) -> dict:
    """RECIPE with other values; a key may be dotted, with __ for the dot."""
    recipe = {key: dict(value) if isinstance(value, dict) else value for key, value in RECIPE.items()}
    for name, value in changes.items():
        *tables, key = name.split("__")
        table = recipe
        for part in tables:
            table = table[part]
        table[key] = value
    return recipe


def here(**changes: object) -> dict:
    return environment(corpus="c" * 64, tokenizer="t" * 64) | changes


class Said:
    """A Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    @contextmanager
    def stage(self, name: str, total: int | None = None, unit: str = "items") -> Iterator[None]:
        yield


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def begin(path: Path, *steps: int) -> None:
    with RunFolder.open(path, RECIPE, here()) as run:
        for step in steps:
            run.save(step, {"model": {"w": torch.full((3,), float(step))}}, {"step": step}, keep=9)


def test_a_new_run(tmp_path: Path):
    said = Said()
    with RunFolder.open(tmp_path / "runs" / "a", RECIPE, here(), progress=said) as run:
        assert run.step == 0
        assert run.resumed is None
        assert run.path == tmp_path / "runs" / "a"
        assert tomllib.loads((run.path / "recipe.toml").read_text()) == changed(clip="none")
        written = json.loads((run.path / "environment.json").read_text())
        assert written == here()
        assert written["torch"] == torch.__version__
        assert written["threads"] == torch.get_num_threads()
        assert written["cpu"]
    assert said.lines == []
    assert sorted(p.name for p in run.path.iterdir()) == ["environment.json", "recipe.toml"]


def test_the_same_recipe_goes_on(tmp_path: Path):
    begin(tmp_path / "a", 10, 20)
    said = Said()
    with RunFolder.open(tmp_path / "a", RECIPE, here(), progress=said) as run:
        assert run.step == 20
        assert run.resumed is not None
        assert run.resumed.tensors["model"]["w"].tolist() == [20.0] * 3
        assert run.resumed.state == {"step": 20}
    assert said.lines == [f"{tmp_path / 'a'}: going on from step 20"]


def test_what_changes_no_bit_is_not_said_to(tmp_path: Path):
    """Groups are added up alike on any number of ranks; and what the recipe says of micro-batches was so before."""
    groups, micro = changed(training={**RECIPE["training"], "groups": 4, "micro_sequences": 8}), {"micro_sequences": 8}
    for name, recipe, before, now, wanted in (
        ("a", groups, {"ranks": 2}, {"ranks": 1}, 1),
        ("b", RECIPE, {"ranks": 2}, {"ranks": 1}, 2),
        ("c", groups, {}, micro, 1),
        ("d", groups, {}, {"micro_sequences": 4}, 2),
    ):
        with RunFolder.open(tmp_path / name, recipe, here(**before)) as run:
            run.save(10, {"model": {"w": torch.zeros(3)}}, {}, keep=9)
        said = Said()
        with RunFolder.open(tmp_path / name, recipe, here(**now), progress=said):
            pass
        assert len(said.lines) == wanted, (name, said.lines)


def test_a_checkpoint_has_a_mark_of_its_own(tmp_path: Path):
    begin(tmp_path / "a", 10)
    begin(tmp_path / "b", 10)
    with RunFolder.open(tmp_path / "c", RECIPE, here()) as run:
        assert run.mark is None
        run.save(10, {"model": {"w": torch.full((3,), 11.0)}}, {"step": 10}, keep=9)
    marks: list[str | None] = []
    for name in "abc":
        with RunFolder.open(tmp_path / name, RECIPE, here()) as run:
            marks.append(run.mark)
    assert marks[0] == marks[1] != marks[2]


def test_killed_before_the_first_checkpoint_it_begins_again(tmp_path: Path):
    begin(tmp_path / "a")
    (tmp_path / "a" / "recipe.toml").unlink()  # it is written after the environment
    with RunFolder.open(tmp_path / "a", RECIPE, here(threads=64)) as run:
        assert run.step == 0
        assert json.loads((run.path / "environment.json").read_text()) == here(threads=64)
        assert (run.path / "recipe.toml").exists()


def test_a_damaged_checkpoint_is_passed_over_by_name(tmp_path: Path):
    begin(tmp_path / "a", 10, 20)
    (checkpoint.folder_of(tmp_path / "a", 20) / "model.safetensors").write_bytes(b"")
    said = Said()
    with RunFolder.open(tmp_path / "a", RECIPE, here(), progress=said) as run:
        assert run.step == 10
    assert "passed over step-00000020" in said.lines[0]
    assert "model.safetensors" in said.lines[0]


def test_only_damaged_ones_are_an_error_that_touches_nothing(tmp_path: Path):
    begin(tmp_path / "a", 10)
    (checkpoint.folder_of(tmp_path / "a", 10) / "model.safetensors").write_bytes(b"")
    before = snapshot(tmp_path)
    with pytest.raises(BadInput, match="no checkpoint is sound"), RunFolder.open(tmp_path / "a", RECIPE, here()):
        pass
    assert snapshot(tmp_path) == before


class TestRefusals:
    def test_a_folder_with_something_else(self, tmp_path: Path):
        (tmp_path / "thesis.tex").write_text("mine")
        with (
            pytest.raises(BadInput, match=r"holds something else \(thesis.tex\) and no recipe.toml"),
            RunFolder.open(tmp_path, RECIPE, here()),
        ):
            pass
        assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]

    def test_a_recipe_that_somebody_wrote(self, tmp_path: Path):
        (tmp_path / "recipe.toml").write_text('# mine\nrecipe = "bert"\n')
        before = snapshot(tmp_path)
        with pytest.raises(BadInput, match="no run's"), RunFolder.open(tmp_path, RECIPE, here()):
            pass
        assert snapshot(tmp_path) == before

    def test_a_file(self, tmp_path: Path):
        (tmp_path / "a").write_text("mine")
        with pytest.raises(BadInput, match="a is a file"), RunFolder.open(tmp_path / "a", RECIPE, here()):
            pass

    def test_an_empty_folder_is_taken(self, tmp_path: Path):
        with RunFolder.open(tmp_path, RECIPE, here()) as run:
            assert run.step == 0

    @pytest.mark.parametrize(
        ("recipe", "told"),
        [
            (changed(training__steps=200), "training.steps = 100 there, 200 here"),
            (changed(seed=2, recipe="quick"), "recipe = 'bert' there, 'quick' here; seed = 1 there, 2 here"),
            (changed(clip=1.0), "clip = 'none' there, 1.0 here"),
            (changed(model__layers=2), "model.layers = not set there, 2 here"),
            (changed(model={}), "model.hidden_size = 128 there, not set here"),
        ],
    )
    def test_another_recipe_naming_what_differs(self, tmp_path: Path, recipe: dict, told: str):
        begin(tmp_path / "a", 10)
        before = snapshot(tmp_path)
        with pytest.raises(BadInput) as caught, RunFolder.open(tmp_path / "a", recipe, here()):
            pass
        assert f"another recipe ({told})" in str(caught.value)
        assert "--out" in str(caught.value)
        assert snapshot(tmp_path) == before

    @pytest.mark.parametrize("key", ["corpus", "tokenizer"])
    def test_other_data(self, tmp_path: Path, key: str):
        begin(tmp_path / "a", 10)
        with (
            pytest.raises(BadInput, match=rf"another {key} \(fingerprint {key[0] * 12} there, xxxxxxxxxxxx here\)"),
            RunFolder.open(tmp_path / "a", RECIPE, here(**{key: "x" * 64})),
        ):
            pass

    def test_a_second_process(self, tmp_path: Path):
        code = """
import sys
from tests.training.test_run_folder import RECIPE, RunFolder, here
with RunFolder.open(sys.argv[1], RECIPE, here()):
    print("held", flush=True)
    sys.stdin.readline()
"""
        first = subprocess.Popen(
            [sys.executable, "-c", code, tmp_path / "a"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(BadInput, match=f"in use by process {first.pid}"),
            RunFolder.open(tmp_path / "a", RECIPE, here()),
        ):
            pass
        first.kill()
        first.communicate()
        with RunFolder.open(tmp_path / "a", RECIPE, here()) as run:
            assert run.step == 0

    def test_a_torn_environment(self, tmp_path: Path):
        begin(tmp_path / "a")
        (tmp_path / "a" / "environment.json").write_text("{")
        with (
            pytest.raises(BadInput, match="environment.json: not readable"),
            RunFolder.open(tmp_path / "a", RECIPE, here()),
        ):
            pass


def test_what_touches_no_weight_may_change_and_is_written_down(tmp_path: Path):
    begin(tmp_path / "a", 10)
    recipe = changed(training__keep=5, training__log_every=1, corpus="../elsewhere/en")
    with RunFolder.open(tmp_path / "a", recipe, here()) as run:
        assert run.step == 10
    assert tomllib.loads((tmp_path / "a" / "recipe.toml").read_text())["training"]["keep"] == 5


def test_other_threads_or_torch_are_said_and_written_down(tmp_path: Path):
    begin(tmp_path / "a", 10)
    said = Said()
    with RunFolder.open(tmp_path / "a", RECIPE, here(threads=64, torch="9.9", numpy="9"), progress=said):
        pass
    threads = torch.get_num_threads()
    assert f"torch: {torch.__version__} before, 9.9 now; threads: {threads} before, 64 now" in said.lines[1]
    assert "not be bit for bit" in said.lines[1]
    written = json.loads((tmp_path / "a" / "environment.json").read_text())
    assert written.pop("resumed_with") == [{"threads": 64, "torch": "9.9", "numpy": "9"}]
    assert written == here()
    # Once more on the same terms: said again, written once.
    with RunFolder.open(tmp_path / "a", RECIPE, here(threads=64, torch="9.9", numpy="9"), progress=said):
        pass
    assert "not be bit for bit" in said.lines[3]
    assert len(json.loads((tmp_path / "a" / "environment.json").read_text())["resumed_with"]) == 1


def test_a_finished_run_is_only_looked_at(tmp_path: Path):
    begin(tmp_path / "a", 10)
    (tmp_path / "a" / "model").mkdir()
    before = snapshot(tmp_path)
    with RunFolder.open(tmp_path / "a", changed(training__keep=5), here(threads=64)) as run:
        assert run.step == 10
    assert snapshot(tmp_path) == before


def test_nothing_learned_yet_is_begun_on_the_new_terms(tmp_path: Path):
    begin(tmp_path / "a")
    with RunFolder.open(tmp_path / "a", RECIPE, here(threads=64)) as run:
        assert run.step == 0
    assert json.loads((tmp_path / "a" / "environment.json").read_text()) == here(threads=64)


def test_leftovers_of_a_killed_process_go(tmp_path: Path):
    begin(tmp_path / "a", 10)
    left = [
        tmp_path / "a" / ".model.partial-12345678",
        tmp_path / "a" / "checkpoints" / ".step-00000005.partial-12345678",
    ]
    for folder in left:
        folder.mkdir()
    with RunFolder.open(tmp_path / "a", RECIPE, here()):
        pass
    assert not any(folder.exists() for folder in left)


@pytest.mark.parametrize("was_there", [False, True])
def test_a_run_that_could_not_begin_leaves_no_trace(tmp_path: Path, was_there: bool):
    path = tmp_path / "a"
    if was_there:
        path.mkdir()
    with pytest.raises(BadInput, match="no such thing"), RunFolder.open(path, RECIPE, here()):
        raise BadInput("no such thing")
    assert path.exists() == was_there and not (was_there and list(path.iterdir()))


def test_a_run_that_failed_later_keeps_its_folder(tmp_path: Path):
    with pytest.raises(BadInput, match="later"), RunFolder.open(tmp_path / "a", RECIPE, here()):
        (tmp_path / "a" / "metrics.jsonl").touch()
        raise BadInput("later")
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["environment.json", "metrics.jsonl", "recipe.toml"]
    begin(tmp_path / "b", 10)
    with pytest.raises(BadInput, match="later"), RunFolder.open(tmp_path / "b", RECIPE, here()):
        raise BadInput("later")
    assert (tmp_path / "b" / "recipe.toml").exists()

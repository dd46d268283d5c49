"""`maskwright finetune similarity`: from pairs to an encoder whose vectors are near where texts belong together."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from safetensors.torch import load_file

import maskwright as mw
from maskwright.draws import generator
from tests.checkpoints import made_up
from tests.cli.test_finetune import run, table

KINDS = ("the river", "a cat", "paris france", "long blue mat", "中 国 人")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An encoder as it begins, with a pooler."""
    return made_up.encoder(tmp_path / "model")


def pairs(count: int, seed: int) -> list[tuple[str, ...]]:
    """A text of four letters, and the capital letters' names of the same: two ways to say one thing."""
    rng = generator(seed, "pairs")
    rows: list[tuple[str, ...]] = []
    for _ in range(count):
        drawn = rng.integers(0, 10, 4)
        rows.append((" ".join("bcdefghijk"[i] for i in drawn), " ".join("lmnopqrstu"[i] for i in drawn)))
    return rows


def test_what_belongs_together_is_found(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = table(tmp_path / "train.csv", pairs(300, 0), ("first", "second"))
    dev = table(tmp_path / "dev.csv", pairs(60, 1), ("first", "second"))
    line = ("finetune", "similarity", "--model", model, "--train", train, "--dev", dev, "--json")
    assert run(*line, "--out", tmp_path / "little", "--training.steps", 1, "--epochs", 0.01) == 0
    before = json.loads(capsys.readouterr().out)
    more = ("--optimizer.rate", "1e-2", "--epochs", 8, "--training.batch-sequences", 16)
    assert run(*line, "--out", tmp_path / "run", *more) == 0
    after = json.loads(capsys.readouterr().out)
    assert before["recall@1"] < 0.2 < 0.6 < after["recall@1"] <= after["recall@10"]
    assert list(after)[3] == "ndcg@10"
    made = tmp_path / "run" / "model"
    first, second = (mw.load(made).encode([row[side] for row in pairs(60, 1)]) for side in (0, 1))
    assert ((first @ second.T).argmax(1) == np.arange(60)).mean() == pytest.approx(after["recall@1"], abs=0.04)
    bare, told = transformers.AutoModel.from_pretrained(made, output_loading_info=True)
    assert type(bare).__name__ == "BertModel" and not any(told.values())
    now, then = (load_file(folder / "model.safetensors") for folder in (made, model))
    kept = [name for name, tensor in now.items() if tensor.equal(then[name])]
    assert kept == ["pooler.dense.bias", "pooler.dense.weight"] or kept == ["pooler.dense.weight", "pooler.dense.bias"]


def test_sentence_transformers_loads_what_is_left(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library: Any = pytest.importorskip("sentence_transformers")
    train = table(tmp_path / "train.csv", pairs(40, 0), ("a", "b"))
    columns = ("--text", "a", "--pair", "b")
    line = ("finetune", "similarity", "--model", model, "--train", train, "--out", tmp_path / "run", "--epochs", 1)
    assert run(*line, *columns, "--data.max-length", 16, "--similarity.pooling", "cls") == 0
    theirs = library.SentenceTransformer(str(tmp_path / "run" / "model"), device="cpu")
    texts = [row[0] for row in pairs(5, 3)]
    ours = mw.load(tmp_path / "run" / "model").encode(texts)
    assert theirs.max_seq_length == 16
    assert np.abs(ours - theirs.encode(texts)).max() < 1e-5
    assert np.abs((ours**2).sum(1) - 1).max() < 1e-5
    assert run("encode", tmp_path / "run" / "model", texts[0]) == 0
    vector = json.loads(capsys.readouterr().out.splitlines()[-1])["vector"]
    assert np.abs(np.array(vector) - ours[0]).max() < 1e-5


@pytest.mark.parametrize("loss", ["cosent", "cosine"])
def test_how_near_texts_are_is_learned(
    loss: str, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = generator(0, "scores")
    rows: list[tuple[str, ...]] = []
    for _ in range(120):
        i, j = rng.integers(0, len(KINDS), 2)
        rows.append((f"{KINDS[i]} is", f"{KINDS[j]} of", "0.9" if i == j else "0.1"))
    train = table(tmp_path / "train.csv", rows, ("first", "second", "score"))
    line = ("finetune", "similarity", "--model", model, "--train", train, "--label", "score", "--out", tmp_path / "run")
    assert run(*line, "--json", "--optimizer.rate", "1e-2", "--epochs", 12, "--similarity.loss", loss) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["spearman"] > 0.4 and result["pearson"] > 0.8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("similarity",), "give --train FILE, a table with the columns first and second"),
        (("similarity", "--train", "a.csv", "--several"), "--several goes with classification"),
        (("classification",), "give --train FILE, a table with the columns text and label"),
        (("classification", "--train", "{train}", "--similarity.scale", "3"), "similarity"),
        (("similarity", "--train", "{train}", "--text", "x"), "has no column 'x'"),
    ],
)
def test_bad_lines_are_refused(
    arguments: tuple[str, ...], said: str, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = table(tmp_path / "train.csv", pairs(40, 0), ("first", "second"))
    given = [one.replace("{train}", str(train)) for one in arguments]
    assert run("finetune", given[0], "--model", model, *given[1:], "--out", tmp_path / "run") == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert said in lines[-1] and not (tmp_path / "run").exists()


def test_evaluate_finds_the_same_and_says_how_sure_that_is(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A question with two answers among them: the measures are those of the training, and their parts add up."""
    twice = pairs(40, 1)
    rows = [*twice, (twice[0][0], "l l l l"), (twice[1][0], "m m m m")]
    train, dev = (
        table(tmp_path / f"{name}.csv", its, ("first", "second"))
        for name, its in (("train", pairs(300, 0)), ("dev", rows))
    )
    line = ("finetune", "similarity", "--model", model, "--train", train, "--dev", dev, "--json")
    more = ("--optimizer.rate", "1e-2", "--epochs", 4, "--training.batch-sequences", 16)
    assert run(*line, "--out", tmp_path / "run", *more) == 0
    trained = json.loads(capsys.readouterr().out)
    assert run("evaluate", tmp_path / "run" / "model", "--test", dev, "--json", "--page", tmp_path / "page.html") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["measures"] == {name: pytest.approx(trained[name]) for name in found["measures"]}
    assert list(found["measures"]) == ["ndcg@10", "recall@1", "recall@10", "mrr@10"]
    assert found["chief"]["low"] <= found["chief"]["value"] <= found["chief"]["high"]
    places = [one["loss"] for one in found["worst"]]
    assert places == sorted(places, reverse=True) and found["worst"][0]["predicted"] == f"place {places[0]:.0f}"
    assert all(place > 1 for place in places)
    capsys.readouterr()
    assert run("evaluate", tmp_path / "run" / "model", "--test", dev, "--against", model) == 2
    assert "does not say how it makes vectors of texts" in capsys.readouterr().err
    assert run("predict", tmp_path / "run" / "model", "a text") == 2
    assert "was not fine-tuned, so it predicts nothing" in capsys.readouterr().err
    assert run("evaluate", tmp_path / "run" / "model", "--test", dev) == 0
    assert "ndcg@10" in capsys.readouterr().out and (tmp_path / "page.html").is_file()


def test_pairs_with_scores_are_judged_by_their_order(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside sentence-transformers' own evaluator on the same folder."""
    library: Any = pytest.importorskip("sentence_transformers")
    evaluators: Any = pytest.importorskip("sentence_transformers.evaluation")
    drawn = generator(3, "scores")
    rows = [(*pair, f"{drawn.random():.3f}") for pair in pairs(50, 2)]
    names = ("first", "second", "score")
    made = table(tmp_path / "pairs.csv", rows, names)
    line = ("finetune", "similarity", "--model", model, "--train", made, "--label", "score")
    assert run(*line, "--out", tmp_path / "run", "--epochs", 1) == 0
    folder = tmp_path / "run" / "model"
    capsys.readouterr()
    assert run("evaluate", folder, "--test", made, "--label", "score", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    first, second, scores = zip(*rows, strict=True)
    theirs = evaluators.EmbeddingSimilarityEvaluator(first, second, [float(score) for score in scores])(
        library.SentenceTransformer(str(folder), device="cpu")
    )
    assert found["measures"] == {
        name: pytest.approx(theirs[f"{name}_cosine"], abs=1e-6) for name in ("spearman", "pearson")
    }
    assert run("evaluate", folder, "--test", made, "--label", "score", "--worst", 2) == 0
    assert "cosine" in capsys.readouterr().out

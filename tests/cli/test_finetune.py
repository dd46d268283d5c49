"""`maskwright finetune` and `predict`: from a table to a model that tells."""

import csv
import json
import tomllib
from pathlib import Path

import pytest

from maskwright.cli import main
from tests.checkpoints import made_up

TEXTS = (
    ("animal", ("the cat sat on a mat", "a cat and a cat", "cat on cat")),
    ("place", ("the river of paris", "paris , france", "a long river")),
)


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def table(path: Path, rows: list[tuple[str, ...]], columns: tuple[str, ...] = ("text", "label")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An encoder as it begins."""
    return made_up.encoder(tmp_path / "model")


def examples(count: int) -> list[tuple[str, ...]]:
    return [(f"{text} word{i % 5}", name) for i in range(count) for name, texts in TEXTS for text in texts]


def test_classes_are_learned_and_predicted(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = table(tmp_path / "train.csv", examples(20))
    dev = table(tmp_path / "dev.csv", examples(2))
    out = tmp_path / "run"
    line = ("finetune", "classification", "--model", model, "--train", train, "--dev", dev, "--out", out, "--json")
    assert run(*line, "--optimizer.rate", "1e-2", "--training.batch-sequences", 16, "--epochs", 4) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["finished"] and result["accuracy"] == 1.0
    training = tomllib.loads((out / "recipe.toml").read_text())["training"]
    # a key changes nothing of the others in its table
    assert (training["batch_sequences"], training["warmup_share"], training["keep"]) == (16, 0.1, 1)
    assert json.loads((out / "evaluation.json").read_text())["accuracy"] == 1.0
    assert run("evaluate", out / "model", "--test", dev, "--json") == 0
    assert json.loads(capsys.readouterr().out)["measures"] == json.loads((out / "evaluation.json").read_text())
    assert "ForSequenceClassification" in (out / "model" / "config.json").read_text()
    assert run("predict", out / "model", "a cat and a cat word1", "the river of paris word3") == 0
    told = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [row["label"] for row in told] == ["animal", "place"]
    assert all(sum(row["shares"].values()) == pytest.approx(1, abs=1e-5) for row in told)


def test_columns_that_nobody_asked_for_are_named(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(text, "a second text", name) for text, name in examples(4)]
    train = table(tmp_path / "train.csv", rows, ("text", "pair", "label"))
    line = ("finetune", "classification", "--model", model, "--train", train, "--epochs", 1)
    assert run(*line, "--out", tmp_path / "one") == 0
    assert "columns that are not read: pair\n" in capsys.readouterr().err
    assert run(*line, "--pair", "pair", "--out", tmp_path / "two") == 0
    assert "not read" not in capsys.readouterr().err


def test_a_number_is_learned(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(text, str({"animal": 2.0, "place": -1.0}[name])) for text, name in examples(20)]
    train = table(tmp_path / "train.csv", rows, ("text", "score"))
    line = ("finetune", "regression", "--model", model, "--train", train, "--label", "score", "--out", tmp_path / "r")
    assert run(*line, "--json", "--optimizer.rate", "1e-2", "--epochs", 12) == 0
    assert json.loads(capsys.readouterr().out)["pearson"] > 0.9
    assert run("predict", tmp_path / "r" / "model", "a cat sat") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["label"] == pytest.approx(2, abs=1) and "shares" not in told


@pytest.mark.parametrize("kind", ["albert", "roberta", "xlm", "xlnet", "openai-gpt", "gpt2"])
def test_every_kind_of_encoder_is_fine_tuned(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    made_up.folder(tmp_path / "model", heads=(), model_type=kind)
    train = table(tmp_path / "train.csv", examples(5))
    line = ("finetune", "classification", "--model", tmp_path / "model", "--train", train, "--out", tmp_path / "run")
    assert run(*line, "--epochs", 1, "--json") == 0
    assert json.loads(capsys.readouterr().out)["finished"]


@pytest.mark.parametrize(
    ("rows", "dev", "message"),
    [
        ([("a cat", "x"), ("a mat", "x")] * 9, None, "all training examples are of the class 'x'"),
        ([("a cat", "x"), ("a mat", "y")] * 9, [("a", "z")], "line 2 is of the class 'z', which no training example"),
        ([("a cat", "x"), ("", "y")] * 9, None, "line 3"),
        ([("a cat", "x")], None, "too few to put some aside"),
    ],
)
def test_bad_tables_are_refused_in_a_line(
    rows: list[tuple[str, ...]],
    dev: list[tuple[str, ...]] | None,
    message: str,
    tmp_path: Path,
    model: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train = table(tmp_path / "train.csv", rows)
    more = ["--dev", table(tmp_path / "dev.csv", dev)] if dev else []
    line = ("finetune", "classification", "--model", model, "--train", train, "--out", tmp_path / "run")
    assert run(*line, *more) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert message in said[-1] and not (tmp_path / "run").exists()


def test_words_are_tagged(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = {"cat": "B-ANIMAL", "paris": "B-PLACE", "france": "B-PLACE"}
    lines = [f"{word} {kinds.get(word, 'O')}" for text, _ in examples(20) for word in [*text.split(), ""]]
    train = tmp_path / "train.txt"
    train.write_text("\n".join(line if line != " O" else "" for line in lines) + "\n", encoding="utf-8")
    line = ("finetune", "tagging", "--model", model, "--train", train, "--out", tmp_path / "run", "--json")
    assert run(*line, "--optimizer.rate", "1e-2", "--epochs", 4, "--training.batch-sequences", 16) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["f1"], result["accuracy"]) == (1.0, 1.0)
    assert "ForTokenClassification" in (tmp_path / "run" / "model" / "config.json").read_text()
    assert run("predict", tmp_path / "run" / "model", "中国人", "the cat sat on a mat word1") == 0
    chinese, told = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert chinese["words"] == ["中", "国", "人"] and len(chinese["tags"]) == 3
    assert told == {"words": "the cat sat on a mat word1".split(), "tags": ["O", "B-ANIMAL", "O", "O", "O", "O", "O"]}


def test_chinese_is_segmented(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """中国 is a word, 人 another, and x with what follows a third: as SIGHAN's files have it, which have no dev."""
    lines = ["中国  人", "人  中国  人", "中国  中国", "人  人  中国"] * 10
    (tmp_path / "pku_training.utf8").write_text("\n".join(lines) + "\n", encoding="utf-8")
    line = ("finetune", "sighan:pku", "--data", tmp_path, "--model", model, "--out", tmp_path / "run", "--json")
    assert run(*line, "--optimizer.rate", "1e-2", "--epochs", 6, "--training.batch-sequences", 8) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["f1"] == 1.0
    assert "has no dev file of sighan:pku" in printed.err
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["architectures"] == ["BertForTokenClassification"] and len(config["id2label"]) == 4
    assert run("predict", tmp_path / "run" / "model", "人中国人 中国") == 0
    assert json.loads(capsys.readouterr().out)["words"] == ["人", "中国", "人", "中国"]
    (tmp_path / "single.txt").write_text("中 国 人\n" * 20, encoding="utf-8")
    assert run("finetune", "segmentation", "--train", tmp_path / "single.txt", "--model", model) == 2
    assert "has no word of two characters" in capsys.readouterr().err


def test_a_published_data_set_is_read_as_it_is_distributed(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "SST-2"
    folder.mkdir()
    rows = [f"{text}\t{int(name == 'place')}\n" for text, name in examples(4)]
    for split in ("train", "dev"):
        (folder / f"{split}.tsv").write_text("".join(["sentence\tlabel\n", *rows]), encoding="utf-8")
    line = ("finetune", "glue:sst2", "--data", folder, "--model", model, "--out", tmp_path / "run", "--json")
    assert run(*line, "--epochs", 1) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] >= 0.5
    assert json.loads((tmp_path / "run" / "model" / "config.json").read_text())["id2label"] == {"0": "0", "1": "1"}
    assert run("finetune", "glue:sst-2", "--model", model) == 2
    assert "did you mean glue:sst2?" in capsys.readouterr().err
    assert run("finetune", "squad:1.1", "--model", model) == 2
    assert "has no train-v1.1.json, train of squad:1.1" in capsys.readouterr().err


def test_an_xlm_is_fine_tuned_in_its_first_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made_up.folder(tmp_path / "xlm", ("mlm",), model_type="xlm")
    train = table(tmp_path / "train.csv", examples(4))
    line = ("finetune", "classification", "--model", tmp_path / "xlm", "--train", train, "--out", tmp_path / "run")
    assert run(*line, "--epochs", 1) == 0
    assert "XLMForSequenceClassification" in (tmp_path / "run" / "model" / "config.json").read_text()


@pytest.mark.parametrize(
    ("task", "option", "said"),
    [
        ("regression", "--several", "--several goes with classification"),
        ("tagging", "--pair=b", "--pair goes with texts"),
        ("classification", "--data=folder", "--data names the folder of a published data set"),
        ("sentiment", "--epochs=1", "sentiment is no task"),
    ],
)
def test_an_option_that_would_be_passed_over_is_refused(
    task: str, option: str, said: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("finetune", task, "--model", model, "--train", "a.csv", option) == 2
    assert said in capsys.readouterr().err


def test_a_model_without_a_task_predicts_nothing(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("predict", model, "a cat") == 2
    assert "was not fine-tuned" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["train.jsonl", "train.txt"])
def test_tags_of_another_scheme_are_refused_or_passed_over(
    name: str, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, sentences = ["the", "cat", "sat"], [["B-X", "I-X", "O"]] * 11 + [["O", "I-X", "B-X"], ["O", "O", "B-X"]]
    if name.endswith("jsonl"):
        text = "\n".join(json.dumps({"words": words, "tags": tags}) for tags in sentences)
    else:
        text = "\n\n".join("\n".join(map(" ".join, zip(words, tags, strict=True))) for tags in sentences)
    (tmp_path / name).write_text(text + "\n", encoding="utf-8")
    line = ("finetune", "tagging", "--train", tmp_path / name, "--model", model, "--out", tmp_path / "run", "--json")
    assert run(*line, "--epochs", 1, "--skip-bad") == 0
    assert "1 bad rows passed over" in capsys.readouterr().err
    sentences[12] = ["B-X", "E-X", "O"]
    (tmp_path / "bad.jsonl").write_text(
        "\n".join(json.dumps({"words": words, "tags": tags}) for tags in sentences), encoding="utf-8"
    )
    assert run("finetune", "tagging", "--train", tmp_path / "bad.jsonl", "--model", model) == 2
    assert "of no scheme known" in capsys.readouterr().err

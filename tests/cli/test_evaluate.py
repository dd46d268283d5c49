"""`maskwright evaluate`, and `predict` from files to files: from a fine-tuned model to what is known of it."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score

from maskwright.checkpoints.folder import write_folder
from maskwright.checkpoints.span_settings import SpanSettings
from maskwright.checkpoints.task_part import TaskPart
from maskwright.cli import main
from maskwright.draws import generator
from maskwright.inference.encoder import Encoder
from maskwright.inference.loading import load
from maskwright.training.finetuning import finetuning
from tests.checkpoints import made_up

CLASSES = TaskPart("class", ("animal", "place"))
TEXTS = ("the cat sat on a mat", "a cat and a cat", "the river of paris", "paris , france and a long river", "中国人")


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def model(folder: Path, part: TaskPart = CLASSES, seed: int = 0) -> Path:
    """A model that answers, whatever it is that it has not learned."""
    network = finetuning(made_up.config(), part, 0)
    network.encoder.initialise(seed)
    network.initialise_head(1.0, seed)
    return write_folder(
        folder,
        names=network.weight_names(),
        parameters=dict(network.named_parameters()),
        config=made_up.config(),
        tokenizer=made_up.tokenizer(),
        task=part,
    )


def table(path: Path, count: int = 60) -> Path:
    rng = generator(0, "table")
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = [
            (
                f"{TEXTS[rng.integers(5)]} {TEXTS[rng.integers(5)]}",
                CLASSES.labels[rng.integers(2)],
                ("news", "web")[i % 2],
                i,
            )
            for i in range(count)
        ]
        csv.writer(file).writerows([("text", "label", "source", "number"), *rows])
    return path


def test_a_model_is_judged_by_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, test = model(tmp_path / "m"), table(tmp_path / "test.csv")
    page = tmp_path / "evaluation.html"
    line = ("evaluate", folder, "--test", test, "--by", "source", "--by", "number", "--page", page)
    assert run(*line, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    rows = pd.read_csv(test)
    encoder = load(folder)
    assert isinstance(encoder, Encoder)
    said = [one.label for one in encoder.predict(rows["text"].tolist())]
    assert found["measures"]["accuracy"] == found["chief"]["value"] == accuracy_score(rows["label"], said)
    assert found["examples"] == 60 and found["data"] == str(test)
    news = rows["source"] == "news"
    slices = {one["name"]: one for one in found["slices"]["source"]}
    assert slices["news"]["value"] == pytest.approx(accuracy_score(rows["label"][news], np.array(said)[news]))
    assert [one["examples"] for one in found["slices"]["number"]] == [15, 15, 15, 15]
    assert sum(one["examples"] for one in found["slices"]["tokens"]) == 60
    html = page.read_text(encoding="utf-8")
    assert "accuracy" in html and "Reliability" in html and found["worst"][0]["text"] in html
    assert not re.search(r"(?:src|href)\s*=|@import|url\(", html)  # nothing is loaded
    assert run(*line[:4]) == 0
    told = capsys.readouterr().out
    assert "By class" in told and "Most wrong" in told and f"({found['chief']['low']:.4f} to" in told


def test_texts_are_cut_as_in_the_run_whose_model_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, test = model(tmp_path / "run" / "model"), table(tmp_path / "test.csv")
    for recipe, cut in (('recipe = "finetune"\n[data]\nmax_length = 5\n', True), ("max_length = [\n", False)):
        (tmp_path / "run" / "recipe.toml").write_text(recipe)
        assert run("evaluate", folder, "--test", test, "--json") == 0
        notes = json.loads(capsys.readouterr().out)["notes"]
        assert any("texts were cut" in note for note in notes) == cut


def test_two_models_are_compared_and_those_that_cannot_be_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, other, test = model(tmp_path / "m"), model(tmp_path / "n", seed=1), table(tmp_path / "test.csv")
    assert run("evaluate", folder, "--test", test, "--against", other, "--json") == 0
    beside = json.loads(capsys.readouterr().out)
    assert run("evaluate", other, "--test", test, "--json") == 0
    alone = json.loads(capsys.readouterr().out)
    assert beside["against"]["other"] == {key: alone["chief"][key] for key in ("value", "low", "high")}
    strange = model(tmp_path / "o", TaskPart("number", ("number",)))
    assert run("evaluate", folder, "--test", test, "--against", strange) == 2
    assert "answers number of number, and" in capsys.readouterr().err


def test_a_model_is_judged_by_a_split_as_it_is_distributed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = model(tmp_path / "m", TaskPart("class", ("contradiction", "entailment", "neutral")))
    names = ("neutral", "entailment", "contradiction") * 6
    rows = [
        f"{i}\t{'fiction' if i < 9 else 'travel'}\t{TEXTS[i % 4]}\t{TEXTS[i % 3]}\t{name}\n"
        for i, name in enumerate(names)
    ]
    header = "index\tgenre\tsentence1\tsentence2\tgold_label\n"
    (tmp_path / "dev_matched.tsv").write_text(header + "".join(rows), encoding="utf-8")
    assert run("evaluate", folder, "glue:mnli", "--data", tmp_path, "--by", "genre", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["examples"]) for one in found["slices"]["genre"]] == [("fiction", 9), ("travel", 9)]
    (tmp_path / "test_matched.tsv").write_text("index\tsentence1\tsentence2\n0\ta cat\ta mat\n", encoding="utf-8")
    assert run("evaluate", folder, "glue:mnli", "--data", tmp_path, "--split", "test") == 2
    assert "test_matched.tsv line 2 does not say what is right" in capsys.readouterr().err
    assert run("evaluate", folder, "conll:2003", "--data", tmp_path) == 2
    assert "conll:2003 is of the shape tagging, and the model answers classification" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "judge by what?"),
        (("glue:sst2",), "give their folder by --data"),
        (("--test", "a.csv", "--data", "x"), "--data names the folder of a published data set"),
        (("glue:sst2", "--data", "x", "--text", "t"), "glue:sst2 has its own"),
        (("--test", "a.csv", "--worst", "-1"), "--worst -1: choose 0 or more"),
        (("--test", "{test}", "--by", "colour"), "no column 'colour': its columns are text, label, source, number"),
        (("--test", "{test}", "--label", "source"), "is 'news', which the model does not know: it knows animal, place"),
        (("--test", "a.csv", "--max-length", "2"), "--max-length 2: choose 3 or more"),
        (("--test", "{test}", "--max-length", "9999"), "9999 tokens are more than the"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_line(
    options: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = table(tmp_path / "test.csv")
    assert run("evaluate", model(tmp_path / "m"), *(one.format(test=test) for one in options)) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line


def test_entities_numbers_and_segmentation_are_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tags = model(tmp_path / "t", TaskPart("tags", ("O", "B-X", "I-X")))
    (tmp_path / "t.txt").write_text("the O\ncat B-X\nsat I-X\n\nparis B-X\n", encoding="utf-8")
    assert run("evaluate", tags, "--test", tmp_path / "t.txt", "--json", "--page", tmp_path / "t.html") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["chief"]["name"] == "f1" and found["classes"][0]["support"] == 2
    assert run("evaluate", tags, "--test", tmp_path / "t.txt", "--by", "source") == 2
    assert "t.txt is no table with named columns" in capsys.readouterr().err
    number = model(tmp_path / "n", TaskPart("number", ("number",)))
    (tmp_path / "n.csv").write_text("text,label\na cat,1\nthe river,2.5\na mat,-3\n", encoding="utf-8")
    assert run("evaluate", number, "--test", tmp_path / "n.csv", "--json", "--page", tmp_path / "n.html") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["residuals"]["gold"] == [1.0, 2.5, -3.0] and "Residuals" in (tmp_path / "n.html").read_text()
    words = model(tmp_path / "w", TaskPart("words", ("B", "E", "M", "S")))
    (tmp_path / "w.txt").write_text("中国 人\n人 中国\n", encoding="utf-8")
    assert run("evaluate", words, "--test", tmp_path / "w.txt", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {one["name"]: one["support"] for one in found["classes"]}["2 characters"] == 2
    for name, folder in (("t.txt", tags), ("n.csv", number), ("w.txt", words)):
        assert run("evaluate", folder, "--test", tmp_path / name) == 0


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_rows_come_back_with_predictions_in_their_order(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, test = model(tmp_path / "m"), table(tmp_path / "test.csv")
    out = tmp_path / f"out.{ending}"
    assert run("predict", folder, "--in", test, "--out", out, "--shares") == 0
    assert "predict: done, 60 rows" in capsys.readouterr().err
    read = {"csv": pd.read_csv, "tsv": lambda path: pd.read_csv(path, sep="\t"), "parquet": pd.read_parquet}
    found = read[ending](out) if ending in read else pd.read_json(out, lines=True)
    rows = pd.read_csv(test)
    assert found["text"].tolist() == rows["text"].tolist() and found["number"].astype(int).tolist() == list(range(60))
    encoder = load(folder)
    assert isinstance(encoder, Encoder)
    answers = encoder.predict(rows["text"].tolist())
    assert found["prediction"].tolist() == [one.label for one in answers]
    shares = found["shares"].str["animal"] if ending == "jsonl" else found["share_animal"]
    assert shares.tolist() == pytest.approx([one.shares["animal"] for one in answers], abs=1e-6)
    assert run("predict", folder, "--in", test, "--out", out) == 2
    assert "exists already" in capsys.readouterr().err


def test_bad_rows_end_it_before_anything_is_written_or_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model(tmp_path / "m")
    (tmp_path / "in.csv").write_text("a,b\nthe cat,a mat\n,a river\na cat,paris\n", encoding="utf-8")
    line = (
        "predict",
        folder,
        "--in",
        tmp_path / "in.csv",
        "--out",
        tmp_path / "out.jsonl",
        "--text",
        "a",
        "--pair",
        "b",
    )
    assert run(*line) == 2
    assert "in.csv line 3 has nothing in its column 'a'" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()
    assert run(*line, "--skip-bad") == 0
    assert "1 bad row left out: " in capsys.readouterr().err
    rows = [json.loads(row) for row in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["a"], row["b"]) for row in rows] == [("the cat", "a mat"), ("a cat", "paris")]
    encoder = load(folder)
    assert isinstance(encoder, Encoder)
    assert [row["prediction"] for row in rows] == [
        one.label for one in encoder.predict([("the cat", "a mat"), ("a cat", "paris")])
    ]


def test_lines_of_standard_input_go_to_a_table_and_tags_stand_by_their_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = model(tmp_path / "t", TaskPart("tags", ("O", "B-X")))
    monkeypatch.setattr("sys.stdin", io.StringIO("the cat sat\n中国人\r\n", newline=""))
    assert run("predict", tags, "--out", tmp_path / "out.txt") == 0
    blocks = (tmp_path / "out.txt").read_text(encoding="utf-8").rstrip().split("\n\n")
    assert [[line.split()[0] for line in block.splitlines()] for block in blocks] == [
        ["the", "cat", "sat"],
        list("中国人"),
    ]
    assert run("predict", tags, "--in", tmp_path / "out.txt") == 0
    capsys.readouterr()
    words = model(tmp_path / "w", TaskPart("words", ("B", "E", "M", "S")))
    assert run("predict", words, "中国人", "--out", tmp_path / "w.csv") == 0
    (row,) = pd.read_csv(tmp_path / "w.csv").to_dict("records")
    assert row["text"] == "中国人" and row["prediction"].replace(" ", "") == "中国人"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("a", "--in", "a.csv"), "texts and --in were given"),
        (("a", "--pair", "b"), "are for the rows of a table"),
        (("--in", "a.csv", "--data", "x"), "--data goes with --submission"),
        (("--submission", "x"), "--submission needs one data set and its folder"),
        (("--in", "none.csv"), "none.csv does not exist"),
        (("--in", "a.csv", "--out", "a.doc"), "its name should end in"),
    ],
)
def test_options_of_predict_that_do_not_go_together(
    options: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("predict", model(tmp_path / "m"), *options) == 2
    assert said in capsys.readouterr().err


def test_files_to_hand_in_are_written_for_the_test_files_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model(tmp_path / "m", TaskPart("class", ("contradiction", "entailment", "neutral")))
    rows = "".join(f"{i}\t{TEXTS[i % 4]}\t{TEXTS[i % 3]}\n" for i in range(30))
    (tmp_path / "test_matched.tsv").write_text(f"index\tsentence1\tsentence2\n{rows}", encoding="utf-8")
    line = ("predict", folder, "glue:mnli", "--data", tmp_path, "--submission", tmp_path / "out")
    assert run(*line) == 0
    captured = capsys.readouterr()
    assert "MNLI-mm.tsv is missing" in captured.err and "MNLI-m.tsv" in captured.out
    encoder = load(folder)
    assert isinstance(encoder, Encoder)
    with torch.inference_mode():
        answers = encoder.predict([(TEXTS[i % 4], TEXTS[i % 3]) for i in range(30)])
    wanted = "index\tprediction\n" + "".join(f"{i}\t{one.label}\n" for i, one in enumerate(answers))
    assert (tmp_path / "out" / "MNLI-m.tsv").read_text() == wanted
    assert run(*line) == 2
    assert "MNLI-m.tsv exists already" in capsys.readouterr().err
    assert run("predict", folder, "glue:rte", "--data", tmp_path, "--submission", tmp_path / "out") == 2
    assert "has no test.tsv, test of glue:rte" in capsys.readouterr().err


def test_questions_and_options_are_judged_and_answered_from_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spans = model(tmp_path / "s", TaskPart("span", (), SpanSettings(24, 12, 6, 4, 0.0)))
    rows = [("the cat ?", "a cat sat on a mat", "cat"), ("x ?", "the river of paris", ""), ("is x ?", "a mat", "mat")]
    with (tmp_path / "s.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("question", "context", "answer"), *rows * 10])
    assert run("evaluate", spans, "--test", tmp_path / "s.csv", "--page", tmp_path / "s.html", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["chief"]["value"] == pytest.approx(found["measures"]["f1"])
    assert [(one["name"], one["support"]) for one in found["questions"]] == [
        ("with an answer", 20),
        ("without an answer", 10),
    ]
    assert sum(one["examples"] for one in found["slices"]["tokens"]) == 30
    assert run("evaluate", spans, "--test", tmp_path / "s.csv") == 0
    assert run("predict", spans, "--in", tmp_path / "s.csv", "--out", tmp_path / "s.jsonl", "--shares") == 0
    for line, (_, context, _) in zip((tmp_path / "s.jsonl").read_text().splitlines(), rows * 10, strict=True):
        told = json.loads(line)
        assert context[told["prediction_start"] : told["prediction_end"]] == told["prediction"]
        assert 0 < told["share"] <= 1 and told["context"] == context
    options = model(tmp_path / "o", TaskPart("option", ()))
    (tmp_path / "o.csv").write_text("first,a,b,label\nthe cat,sat on,of,0\nparis,is,river,1\n", encoding="utf-8")
    line = (options, "--pair", "a,b")
    assert run("evaluate", *line, "--test", tmp_path / "o.csv", "--json", "--page", tmp_path / "o.html") == 0
    capsys.readouterr()
    assert run("predict", *line, "--in", tmp_path / "o.csv", "--out", tmp_path / "o.parquet", "--shares") == 0
    found = pd.read_parquet(tmp_path / "o.parquet")
    assert [int(np.argmax(each)) for each in found["shares"]] == found["prediction"].tolist()
    assert run("evaluate", options, "--test", tmp_path / "o.csv", "--pair", "a,b") == 0

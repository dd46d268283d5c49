"""`maskwright finetune` and `predict` for questions with a context, and for choices."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from maskwright.cli import main
from maskwright.draws import generator
from tests.checkpoints import made_up
from tests.cli.test_finetune import table

WORDS = "mat river france paris long".split()


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An encoder as it begins."""
    return made_up.encoder(tmp_path / "model")


def context_of(rng: Any, *, held: bool, words: int = 24) -> tuple[str, str, int]:
    """A context, the animal in it, if it holds one, and where that stands."""
    text = [WORDS[i] for i in rng.integers(0, len(WORDS), words)]
    place = int(rng.integers(0, words))
    text[place] = "cat" if held else "blue"
    return "The  " + " ".join(text) + " .", text[place], len("The  " + " ".join([*text[:place], ""]))


def squad(path: Path, count: int, seed: int, *, version: str) -> Path:
    """Questions in SQuAD's form; in 2.0 one of three has no answer."""
    rng, paragraphs = generator(seed, "squad"), list[Any]()
    for number in range(count):
        none = version == "2.0" and number % 3 == 0
        context, answer, start = context_of(rng, held=not none)
        asked: dict[str, Any] = {"id": f"q{number}", "question": "Which animal?"}
        asked["answers"] = [] if none else [{"text": answer, "answer_start": start}]
        paragraphs.append({"context": context, "qas": [asked | ({"is_impossible": none} if version == "2.0" else {})]})
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"version": version, "data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    return path


LEARN = ("--optimizer.rate", "1e-2", "--training.batch-sequences", 16, "--training.precision", "float32", "--json")


@pytest.mark.parametrize("version", ["1.1", "2.0"])
def test_answers_are_learned_and_given(
    version: str, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for split, count in (("train", 60), ("dev", 12)):
        squad(tmp_path / "squad" / f"{split}-v{version}.json", count, count, version=version)
    line = ("finetune", f"squad:{version}", "--data", tmp_path / "squad", "--model", model, "--out", tmp_path / "run")
    windows = ("--data.max-length", 20, "--data.stride", 6, "--data.max-answer", 2)
    assert run(*line, *LEARN, *windows, "--epochs", 3) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["f1"] > 0.9, result  # one of 24 words by chance
    said = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert said["architectures"] == ["BertForQuestionAnswering"] and "id2label" not in said
    assert (said["max_seq_length"], said["doc_stride"], said["max_answer_length"]) == (20, 6, 2)
    assert ("null_score_diff_threshold" in said) == (version == "2.0")
    assert run("evaluate", tmp_path / "run" / "model", f"squad:{version}", "--data", tmp_path / "squad", "--json") == 0
    judged = json.loads(capsys.readouterr().out)["measures"]
    assert judged.items() <= json.loads((tmp_path / "run" / "evaluation.json").read_text()).items()
    context, answer, start = context_of(generator(9, "asked"), held=True)
    nothing, *_ = context_of(generator(8, "asked"), held=False)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"Which animal?\t{context}\nWhich animal?\t{nothing}\n"))
    assert run("predict", tmp_path / "run" / "model") == 0
    told, none = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert (told["answer"], told["start"], told["context"]) == (answer, start, context)
    assert context[told["start"] : told["end"]] == told["answer"]
    assert (none["answer"] == "") == (version == "2.0")
    assert run("predict", tmp_path / "run" / "model", "no tab") == 2
    assert "text 1 has no tab: write a question, a tab, and its context" in capsys.readouterr().err


def test_questions_of_ones_own_are_read_from_tables_and_as_squads(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(f"who is {word} ?", f"in {place} {word} is a x", word) for word in WORDS for place in ("the", "a", "on")]
    train = table(tmp_path / "train.csv", rows, ("q", "c", "a"))
    columns = ("--text", "q", "--pair", "c", "--label", "a")
    line = ("finetune", "questions", "--model", model, "--epochs", 1, "--json")
    assert run(*line, "--train", train, *columns, "--out", tmp_path / "csv") == 0
    assert 0 <= json.loads(capsys.readouterr().out)["f1"] <= 1
    nested = squad(tmp_path / "nested.json", 30, 0, version="2.0")
    assert run(*line, "--train", nested, "--out", tmp_path / "nested") == 0
    assert "unanswered_f1" in json.loads(capsys.readouterr().out)
    lines = tmp_path / "lines.json"
    lines.write_text("".join(json.dumps(dict(zip(("question", "context", "answer"), row))) + "\n" for row in rows))
    assert run(*line, "--train", lines, "--out", tmp_path / "lines") == 0
    assert run(*line[:4]) == 2
    assert "a table with the columns question, context and answer" in capsys.readouterr().err
    wrong = table(tmp_path / "wrong.csv", [("who ?", "a cat", "dog")] * 20, ("question", "context", "answer"))
    assert run(*line, "--train", wrong, "--out", tmp_path / "wrong") == 2
    assert "wrong.csv line 2: the context does not hold the answer 'dog'" in capsys.readouterr().err


def test_options_are_learned_and_chosen(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, rows = generator(0, "options"), list[tuple[str, ...]]()
    for number in range(72):
        right, others = ("the cat", "a mat") if number % 2 else ("paris", "france")
        options = [right, others, "blue", "long"]
        order = rng.permutation(4)
        rows.append(
            (f"{'sat on' if number % 2 else 'capital of'} x", *(options[i] for i in order), str(order.argmin()))
        )
    columns = ("sent", "end0", "end1", "end2", "end3", "label")
    train = table(tmp_path / "train.csv", rows[:60], columns)
    dev = table(tmp_path / "dev.csv", rows[60:], columns)
    line = ("finetune", "choice", "--model", model, "--train", train, "--dev", dev, "--out", tmp_path / "run")
    named = ("--text", "sent", "--pair", "end0,end1,end2,end3")
    learn = (*LEARN[:3], 8, *LEARN[4:], "--training.micro-sequences", 12)
    assert run(*line, *named, *learn, "--epochs", 8) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1.0
    said = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert said["architectures"] == ["BertForMultipleChoice"]
    assert run("evaluate", tmp_path / "run" / "model", "--test", dev, *named, "--json") == 0
    assert json.loads(capsys.readouterr().out)["measures"] == {"accuracy": 1.0}
    asked = "capital of x\tfrance\tlong\tparis\nsat on x\tblue\tthe cat\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(asked))
    assert run("predict", tmp_path / "run" / "model") == 0
    first, second = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert (first["option"], first["place"], len(first["shares"])) == ("paris", 2, 3)
    assert (second["option"], second["place"], len(second["shares"])) == ("the cat", 1, 2)
    assert run("predict", tmp_path / "run" / "model", "alone\tone option") == 2
    assert "text 1 has 1 tabs: write a text, and two options or more" in capsys.readouterr().err


def test_published_choices_are_read_as_they_are_distributed(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = ("", "sent1", "sent2", "ending0", "ending1", "ending2", "ending3", "label")
    rows = [(str(i), f"the cat {WORDS[i % 5]}", "a", "mat", "river", "x", "long", str(i % 4)) for i in range(24)]
    (tmp_path / "swag").mkdir()
    for split in ("train", "val"):
        table(tmp_path / "swag" / f"{split}.csv", rows, header)
    asked = [{"question": "人", "choice": ["中", "国", "人"][: 2 + i % 2], "answer": "国中"[i % 2]} for i in range(12)]
    c3 = [[["中国人", f"x{i}"], [one], f"{i}"] for i, one in enumerate(asked)]
    (tmp_path / "c3").mkdir()
    for split in ("train", "dev"):
        (tmp_path / "c3" / f"c3-d-{split}.json").write_text(json.dumps(c3), encoding="utf-8")
    (tmp_path / "chid").mkdir()
    for split in ("train", "dev"):
        lines = [{"candidates": ["中国", "国人", "人中"], "content": [f"x{i}#idiom{i:06}#中"]} for i in range(12)]
        file = tmp_path / "chid" / f"{split}.json"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        answers = {f"#idiom{i:06}#": i % 3 for i in range(12)}
        file.with_name(f"{split}_answer.json").write_text(json.dumps(answers), encoding="utf-8")
    for name, folder in (("swag:regular", "swag"), ("clue:c3-d", "c3"), ("clue:chid", "chid")):
        line = ("finetune", name, "--data", tmp_path / folder, "--model", model, "--out", tmp_path / folder / "run")
        assert run(*line, "--epochs", 1, "--json") == 0
        assert 0 <= json.loads(capsys.readouterr().out)["accuracy"] <= 1


def test_chinese_questions_are_measured_as_cmrc_measures_them(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [
        {"context_id": f"c{i}", "context_text": f"x{i}，中国人。" * 5, "title": "",
         "qas": [{"query_id": f"q{i}", "query_text": "人？", "answers": [f"x{i}，中国", "没有"]}]}
        for i in range(12)
    ]  # fmt: skip
    for split in ("train", "dev"):
        (tmp_path / f"cmrc2018_{split}.json").write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
    line = ("finetune", "clue:cmrc2018", "--data", tmp_path, "--model", model, "--out", tmp_path / "run", "--json")
    assert run(*line, "--epochs", 1, "--data.max-length", 24) == 0
    result = json.loads(capsys.readouterr().out)
    assert [*result][3:5] == ["exact", "f1"]


def test_a_network_that_no_class_is_there_for_is_refused_before_it_learns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made_up.folder(tmp_path / "gpt", ("lm",), model_type="openai-gpt")
    train = squad(tmp_path / "a.json", 20, 0, version="1.1")
    assert run("finetune", "questions", "--model", tmp_path / "gpt", "--train", train, "--out", tmp_path / "run") == 2
    assert "no class of GPT that answers questions: take GPT-2" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()

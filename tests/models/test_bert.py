"""BERT beside transformers' BERT."""

import pytest
import torch
import transformers

from maskwright.draws import generator
from maskwright.models.bert import BertConfig, config_json
from tests.parity import assert_equal_to_transformers, draw_shape

CLASSES = {
    ("mlm", "nsp"): transformers.BertForPreTraining,
    ("mlm",): transformers.BertForMaskedLM,
    ("nsp",): transformers.BertForNextSentencePrediction,
    (): transformers.BertModel,
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("seed", range(24))
def test_equal_to_transformers(seed: int, dtype: torch.dtype) -> None:
    config = BertConfig(**draw_shape(generator(seed, "shape")))
    heads = list(CLASSES)[0 if seed < 12 else seed % 4]
    theirs = CLASSES[heads](transformers.BertConfig(**config_json(config)))
    assert_equal_to_transformers(config, heads, theirs, seed, dtype)

"""RoBERTa beside transformers' RoBERTa and XLM-RoBERTa, and the positions that it never reads."""

import pytest
import torch
import transformers

from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.models.roberta import RobertaConfig, config_json
from tests.models.networks import network, small
from tests.parity import assert_equal_to_transformers, draw_batch, draw_shape

CLASSES = {
    "roberta": {("mlm",): transformers.RobertaForMaskedLM, (): transformers.RobertaModel},
    "xlm-roberta": {("mlm",): transformers.XLMRobertaForMaskedLM, (): transformers.XLMRobertaModel},
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("seed", range(16))
def test_equal_to_transformers(seed: int, dtype: torch.dtype) -> None:
    rng = generator(seed, "shape")
    kind = "xlm-roberta" if seed % 4 == 3 else "roberta"
    config = RobertaConfig(model_type=kind, pad_token_id=int(rng.integers(0, 4)), **draw_shape(rng))
    heads = () if seed % 3 == 2 else ("mlm",)
    shape = transformers.AutoConfig.for_model(**config_json(config))
    assert_equal_to_transformers(config, heads, CLASSES[kind][heads](shape), seed, dtype)


def test_a_sequence_is_as_long_as_the_positions_behind_padding() -> None:
    """fairseq's 514 rows are for 512 tokens: those of position 0 and of padding are never read."""
    assert RobertaConfig().longest == 512
    config = small("roberta", max_position_embeddings=10, pad_token_id=1, type_vocab_size=2)
    model = network(config, ("mlm",))
    model.tallies(draw_batch(generator(0, "long"), [8, 3], config.vocab_size))["mlm"].loss_sum.backward()
    gradient = model.encoder.embeddings.position.weight.grad
    assert (gradient.abs().sum(1) > 0).tolist() == [False] * 2 + [True] * 8
    with pytest.raises(BadInput, match="9 tokens is longer than the model's 8 positions"):
        model.encoder(draw_batch(generator(0, "long"), [9], config.vocab_size))
    with pytest.raises(ValueError, match="max_position_embeddings 2 leaves no position for a token"):
        small("roberta", max_position_embeddings=2, pad_token_id=1)

"""XLM beside transformers' XLM: languages, and positions that begin again."""

from dataclasses import replace

import pytest
import torch
import transformers

from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.models.xlm import XlmConfig, config_json
from tests.models.networks import network, small
from tests.parity import assert_equal_to_transformers, draw_batch, draw_shape

CLASSES = {("mlm",): transformers.XLMWithLMHeadModel, (): transformers.XLMModel}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("seed", range(16))
def test_equal_to_transformers(seed: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    if dtype == torch.float64:  # their softmax is always in float32, which is all that would differ
        monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)
    rng = generator(seed, "shape")
    shape = {name: value for name, value in draw_shape(rng).items() if name in XlmConfig.model_fields}
    shape |= {"hidden_act": ["gelu", "relu"][seed % 2], "n_langs": int(rng.integers(1, 5)), "pad_token_id": seed % 3}
    shape["hidden_size"] *= 2  # transformers makes no sinusoids of odd width
    config = XlmConfig(**shape, sinusoidal_embeddings=seed % 5 == 4, use_lang_emb=seed % 7 != 6)
    heads = () if seed % 3 == 2 else ("mlm",)
    theirs = CLASSES[heads](transformers.XLMConfig(**config_json(config)))
    for name, parameter in theirs.named_parameters():
        if name.endswith("position_embeddings.weight"):  # theirs are marked as fixed before they are made
            parameter.requires_grad = not config.sinusoidal_embeddings
    languages = config.n_langs if config.knows_languages else 0
    assert_equal_to_transformers(config, heads, theirs, seed, dtype, languages=languages, restart=languages > 0)


def test_fixed_positions_are_those_of_transformers() -> None:
    config = small("xlm", sinusoidal_embeddings=True)
    theirs = transformers.XLMModel(transformers.XLMConfig(**config_json(config)))
    ours = network(config, ()).encoder.embeddings.position.weight
    assert torch.equal(ours, theirs.position_embeddings.weight) and not ours.requires_grad


def test_what_it_does_not_read_is_refused() -> None:
    several, one = network(small("xlm"), ("mlm",)).encoder, network(small("xlm", n_langs=1), ("mlm",)).encoder
    batch = draw_batch(generator(0, "languages"), [5, 3], 50, 0, languages=3)
    assert several(batch).shape == (8, 16) and one(replace(batch, language_ids=None)).shape == (8, 16)
    with pytest.raises(BadInput, match="an XLM of several languages reads language_ids, and the batch has none"):
        several(replace(batch, language_ids=None))
    with pytest.raises(BadInput, match="XLM does not read language_ids"):
        one(batch)
    with pytest.raises(BadInput, match="XLM does not read token_type_ids"):
        several(replace(batch, token_type_ids=torch.zeros_like(batch.token_ids)))
    with pytest.raises(BadInput, match="XLM has no pooler"):
        network(small("xlm"), ("nsp",)).tallies(batch)
    with pytest.raises(ValueError, match="languages are 2 names, n_langs is 3"):
        small("xlm", languages=("en", "zh"))

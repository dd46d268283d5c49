"""GPT and GPT-2 beside transformers' own; and that no token sees one behind it."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers

from maskwright.draws import generator
from maskwright.errors import BadInput
from maskwright.models import module_of
from maskwright.training.pretraining import network as untouched
from tests.models.networks import network, small
from tests.parity import assert_equal_to_transformers, draw_batch, draw_shape

CLASSES: dict[str, dict[tuple[str, ...], Any]] = {
    "openai-gpt": {("lm",): transformers.OpenAIGPTLMHeadModel, (): transformers.OpenAIGPTModel},
    "gpt2": {("lm",): transformers.GPT2LMHeadModel, (): transformers.GPT2Model},
}
CONFIGS = {"openai-gpt": transformers.OpenAIGPTConfig, "gpt2": transformers.GPT2Config}
NAMES = list(CLASSES)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", NAMES)
def test_equal_to_transformers(name: str, seed: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    if dtype == torch.float64:  # their softmax is always in float32, which is all that would differ
        monkeypatch.setattr(torch.Tensor, "float", lambda tensor: tensor)
    module = module_of(name)
    drawn = draw_shape(generator(seed, "shape"))
    shape = {key: value for key, value in drawn.items() if key in module.Config.model_fields}
    shape |= {"hidden_act": ["gelu_tanh", "relu" if name == "openai-gpt" else "gelu"][seed % 2]}
    shape |= {"n_inner": drawn["intermediate_size"]} if name == "gpt2" and seed % 3 else {}
    config = module.Config(**shape, embedding_dropout_prob=0.0)
    heads = () if seed % 3 == 2 else ("lm",)
    published = CONFIGS[name](**module.config_json(config), attn_implementation="eager")
    assert_equal_to_transformers(config, heads, CLASSES[name][heads](published), seed, dtype)


@pytest.mark.parametrize("name", NAMES)
def test_a_token_changes_what_is_at_and_behind_it_and_nothing_else(name: str) -> None:
    encoder = network(small(name), ("lm",)).double().encoder
    batch = draw_batch(generator(0, "causal"), [5, 1, 4], 50, 0)
    sequence = torch.repeat_interleave(torch.arange(3), torch.tensor([5, 1, 4]))
    before = encoder(batch)
    for token in range(10):
        ids = batch.token_ids.clone()
        ids[token] = (ids[token] + 7) % 50
        changed = (encoder(replace(batch, token_ids=ids)) != before).any(1)
        assert torch.equal(changed, (sequence == sequence[token]) & (torch.arange(10) >= token))


@pytest.mark.parametrize("name", NAMES)
def test_some_rows_are_those_of_all(name: str) -> None:
    encoder = network(small(name), ("lm",)).double().encoder
    batch = draw_batch(generator(1, "rows"), [5, 1, 4], 50, 0)
    rows = torch.tensor([0, 3, 5, 9])
    assert torch.equal(encoder(batch, None, rows), encoder(batch)[rows])


def test_gpt2_starts_what_ends_a_half_of_a_layer_smaller() -> None:
    """As transformers' `GPT2PreTrainedModel._init_weights`: by the root of twice the number of layers."""
    config = small("gpt2", hidden_size=64, num_hidden_layers=8)
    model = untouched(config, ("lm",))
    model.initialise(config.initializer_range, 0)
    for layer in model.encoder.layers:
        assert float(layer.query_key_value.weight.detach().std()) == pytest.approx(
            0.02 * 0.88, rel=0.05
        )  # cut at two deviations
        for part in (layer.attention_output, layer.output):
            assert float(part.weight.detach().std()) == pytest.approx(0.02 * 0.88 / 4, rel=0.05)


def test_what_asks_for_both_sides_is_refused() -> None:
    for head in ("mlm", "nsp"):
        with pytest.raises(BadInput, match=f"a gpt2 sees no token behind another, so it has no head '{head}': take lm"):
            network(small("gpt2"), (head,))

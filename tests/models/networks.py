"""Networks for tests: small, with weights large enough that no part is lost in rounding."""

from typing import Any

import torch
from torch import nn

from maskwright.models.bert import Bert, BertConfig
from maskwright.objectives.masked_lm_head import MaskedLMHead
from maskwright.objectives.next_sentence import NextSentenceHead
from maskwright.training.pretraining import Pretraining


def network(config: BertConfig, heads: tuple[str, ...] = ("mlm", "nsp"), seed: int = 0) -> Pretraining:
    """A BERT with the named heads, every weight drawn, biases and gains too."""
    made: dict[str, nn.Module] = {
        "mlm": MaskedLMHead(config.hidden_size, config.vocab_size, config.hidden_act, config.layer_norm_eps),
        "nsp": NextSentenceHead(config.hidden_size),
    }
    model = Pretraining(Bert(config), {name: made[name] for name in heads})
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=noise) * 0.3 + (parameter.ndim == 1) * 0.5)
    return model


def small(**changes: Any) -> BertConfig:
    shape: dict[str, Any] = {
        "vocab_size": 50,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 64,
    }
    return BertConfig(**{**shape, **changes})

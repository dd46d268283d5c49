"""Networks for tests: small, with weights large enough that no part is lost in rounding."""

from typing import Any

import torch
from torch import nn

from maskwright.models import ModelConfig, module_of
from maskwright.training.pretraining import Pretraining
from maskwright.training.pretraining import network as build


def network(config: ModelConfig, heads: tuple[str, ...] = ("mlm", "nsp"), seed: int = 0) -> Pretraining:
    """A network with the named heads, every weight drawn, biases and gains too; fixed positions stay."""
    model = build(config, heads)
    draw_weights(model, seed)
    return model


@torch.no_grad()
def draw_weights(model: nn.Module, seed: int) -> None:
    """Every weight that is trained."""
    noise = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        drawn = torch.randn(parameter.shape, generator=noise) * 0.3 + (parameter.ndim == 1) * 0.5
        if parameter.requires_grad:
            parameter.copy_(drawn)


def small(model_type: str = "bert", **changes: Any) -> Any:
    """A shape of that network: 2 layers of width 16."""
    kind = module_of(model_type).Config
    shape: dict[str, Any] = {
        "model_type": model_type,
        "vocab_size": 50,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "embedding_size": 8,
        "n_langs": 3,
        "max_position_embeddings": 64,
        "d_model": 16,
        "n_layer": 2,
        "n_head": 2,
        "d_inner": 24,
    }
    return kind(**{name: value for name, value in shape.items() if name in kind.model_fields} | changes)

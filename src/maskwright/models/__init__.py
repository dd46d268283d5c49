"""Networks: a file is one network, and its name is the network's; a hyphen there is an underscore here.

Each offers the same names: `Config`, `network`, `SIZES`, `DEFAULT_VOCABULARY`, `PUBLISHED` (how others publish it, by
`model_type`), `config_json` and `weight_names`.
"""

import importlib
import pkgutil
from difflib import get_close_matches
from typing import Any

from torch import nn

from maskwright.errors import BadInput
from maskwright.layers.network import Network
from maskwright.layers.weight_names import Published
from maskwright.models.albert import AlbertConfig
from maskwright.models.bert import BertConfig
from maskwright.models.gpt2 import Gpt2Config
from maskwright.models.openai_gpt import OpenAIGptConfig
from maskwright.models.roberta import RobertaConfig
from maskwright.models.xlm import XlmConfig
from maskwright.models.xlnet import XlnetConfig

MaskedConfig = BertConfig | RobertaConfig | AlbertConfig | XlmConfig
"""The shape of a network that sees a hidden token from both sides."""
CausalConfig = OpenAIGptConfig | Gpt2Config
"""The shape of a network that reads from left to right."""
ModelConfig = MaskedConfig | CausalConfig | XlnetConfig
"""The shape of any network here."""

OTHER_NAMES = {"xlm-roberta": "roberta"}
"""A `model_type` under which others publish one of these."""


def names() -> list[str]:
    """The networks there are."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def module_of(model_type: str) -> Any:
    """The module of a network; BadInput with the nearest name for one that does not exist.

    >>> module_of("xlm-roberta").Config.__name__
    'RobertaConfig'
    """
    there = [*names(), *OTHER_NAMES]
    if model_type not in there:
        near = get_close_matches(model_type.lower(), there, 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise BadInput(f"there is no network {model_type[:80]!r}{meant} (there are: {', '.join(there)})")
    name = OTHER_NAMES.get(model_type, model_type).replace("-", "_")
    return importlib.import_module(f"maskwright.models.{name}")


def published(model_type: str) -> Published:
    """How others publish a network."""
    return module_of(model_type).PUBLISHED[model_type]


def segments_of(config: ModelConfig) -> int:
    """G, the segments that a network of that shape tells apart; 0 where it has no table of them."""
    return getattr(config, "type_vocab_size", 0)


def network_of(config: ModelConfig, position: nn.Module | None = None) -> Network:
    """A network of that shape, its weights not yet set; with another kind of positions if one is given."""
    return module_of(config.model_type).network(config, position)

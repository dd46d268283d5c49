"""First values of weights, a function of a seed and each weight's name."""

import torch
from torch import nn

from maskwright import draws


@torch.no_grad()
def start(module: nn.Module, deviation: float, seed: int, *, cut: bool = True) -> None:
    """Start every trainable parameter of `module`.

    Matrices and tables from a normal of the given deviation, cut at two deviations (google-research/bert
    `modeling.py` `create_initializer`), which makes it 0.88 as wide; biases 0; gains of norms 1. A parameter's values
    depend on the seed and its name alone, so adding a part leaves the others as they were.

    cut   False: the whole normal, as `transformers` draws
    """
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.ndim >= 2:
            generator = torch.Generator().manual_seed(draws.key(seed, "start", name) & (2**63 - 1))
            values = torch.empty(parameter.shape)
            if cut:
                nn.init.trunc_normal_(values, 0.0, deviation, -2 * deviation, 2 * deviation, generator=generator)
            else:
                nn.init.normal_(values, 0.0, deviation, generator=generator)
            parameter.copy_(values)
        else:
            parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)

"""The optimizers of the originals, over flat parameters.

    adamw    decoupled weight decay (Loshchilov and Hutter, 1711.05101), torch's own
    google   what BERT was trained with (google-research/bert `optimization.py`): Adam without bias
             correction, epsilon outside the root, decay inside the rate. Without the correction the
             first steps are longer: by 3.16 the very first
    muon     `torch.optim.Muon` (Jordan et al. 2024) on the matrices of the layers, adamw on the rest
    lamb     Adam whose update of each matrix is made as long as the matrix itself (You et al., 1904.00962,
             algorithm 2), for batches of thousands; biases and norms are moved by Adam alone
    google_lamb   the same without bias correction, as ALBERT was trained (google-research/ALBERT `lamb_optimizer.py`)
    adagrad  what ELMo was trained with (`adagrad`)

Which parameters decay is a rule and two explicit lists, `decay_lists`: matrices and tables do, biases
and norms do not. Any of them may move at a share of the rate (`training.depth`), each share a stretch of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.training.adagrad import Adagrad
from maskwright.training.flat import FlatParameters, Part, check_same, long_norm

OptimizerName = Literal["adamw", "google", "muon", "lamb", "google_lamb", "adagrad"]


class OptimizerConfig(Config):
    """How weights are moved."""

    model_config = ConfigDict(allow_inf_nan=False)

    name: OptimizerName = "adamw"
    """adamw, google (BERT's own), muon (layers' matrices; adamw on the rest), lamb or google_lamb (large batches),
    adagrad (ELMo's own)."""
    rate: float = Field(default=1e-4, gt=0, le=1e30)
    """Peak learning rate."""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of gradients."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the mean of squared gradients."""
    epsilon: float = Field(default=1e-6, gt=0)
    """Added to the root of the squared gradients."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Pull towards zero, in units of the rate; biases and norms are exempt."""
    matrix_rate: float = Field(default=0.02, gt=0, le=1e30)
    """Peak rate of muon, for the layers' matrices."""
    matrix_decay: float = Field(default=0.01, ge=0)
    """Weight decay of muon."""
    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Momentum of muon (Nesterov)."""
    first_sum: float = Field(default=1.0, gt=0)
    """What adagrad's sum of squared gradients begins at."""


def decay_lists(module: nn.Module) -> tuple[list[str], list[str]]:
    """(decayed, exempt) names of the trainable parameters: matrices and tables; biases and norms.

    XLNet's `biases` of queries have a row for each head, and are biases all the same (google's rule goes by the name).
    """
    decayed, exempt = list[str](), list[str]()
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            (decayed if parameter.ndim >= 2 and ".biases." not in name else exempt).append(name)
    return decayed, exempt


def layer_matrices(module: nn.Module) -> list[str]:
    """The matrices inside the layers: what muon moves. Embeddings, pooler and heads are not among them.

    Nor are the three-dimensional weights of XLNet's attention, which are a matrix for each head.
    """
    return [
        name for name in decay_lists(module)[0] if ".layers." in f".{name}" and module.get_parameter(name).ndim == 2
    ]


class Google:
    """Adam as google-research/bert has it, on one flat row.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²;  w -= rate (m / (sqrt(v) + epsilon) + decay w)
    """

    def __init__(self, parts: list[Part], config: OptimizerConfig) -> None:
        self.parts = parts
        self.config = config
        self.state = [(torch.zeros_like(part.weights), torch.zeros_like(part.weights)) for part in parts]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update at `factor` times the peak rate."""
        config = self.config
        for (weights, decay, own), (mean, square) in zip(self.parts, self.state, strict=True):
            rate, gradient = factor * config.rate * own, weights.grad
            assert gradient is not None
            mean.lerp_(gradient, 1 - config.beta1)
            square.mul_(config.beta2).addcmul_(gradient, gradient, value=1 - config.beta2)
            weights.mul_(1 - rate * decay)
            weights.addcdiv_(mean, square.sqrt().add_(config.epsilon), value=-rate)

    def tensors(self) -> dict[str, Tensor]:
        """The state by name."""
        return _moments(self.state)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors()` gave."""
        _take_up(self.tensors(), tensors)


class Lamb:
    """Adam, the update of each matrix scaled to the matrix's own length, on one flat row.

    u = m / (sqrt(v) + epsilon) + decay w;  w -= rate |w| / |u| u, the ratio being 1 where one of the two is 0

    blocks      for each part the sizes of the matrices that it is made of; none: it is moved by Adam alone
    corrected   whether m and v are corrected for their start at 0
    """

    def __init__(self, parts: list[Part], blocks: list[list[int]], config: OptimizerConfig, *, corrected: bool) -> None:
        self.parts, self.blocks, self.config, self.corrected = parts, blocks, config, corrected
        self.state = [(torch.zeros_like(part.weights), torch.zeros_like(part.weights)) for part in parts]
        self.steps = torch.zeros((), dtype=torch.int64)

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update at `factor` times the peak rate."""
        config = self.config
        self.steps += 1
        missing = [1 - beta ** int(self.steps) if self.corrected else 1.0 for beta in (config.beta1, config.beta2)]
        for (weights, decay, own), (mean, square), blocks in zip(self.parts, self.state, self.blocks, strict=True):
            rate, gradient = factor * config.rate * own, weights.grad
            assert gradient is not None
            mean.lerp_(gradient, 1 - config.beta1)
            square.mul_(config.beta2).addcmul_(gradient, gradient, value=1 - config.beta2)
            update = (square / missing[1]).sqrt_().add_(config.epsilon).reciprocal_().mul_(mean).mul_(1 / missing[0])
            update.add_(weights, alpha=decay)
            for matrix, block in zip(weights.split(blocks), update.split(blocks), strict=True) if blocks else ():
                wanted, length = float(long_norm(matrix)), float(long_norm(block))
                if wanted > 0 and length > 0:
                    block.mul_(wanted / length)
            weights.sub_(update, alpha=rate)

    def tensors(self) -> dict[str, Tensor]:
        """The state by name."""
        return {"steps": self.steps, **_moments(self.state)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors()` gave."""
        _take_up(self.tensors(), tensors)


class Torch:
    """One of torch's own optimizers; the state is kept by position.

    state    what it keeps of each parameter: "step" is one number, all else has the parameter's shape
    """

    def __init__(self, optimizer: torch.optim.Optimizer, state: Sequence[str]) -> None:
        self.optimizer = optimizer
        self.state = state
        self.peaks: list[float] = [group["lr"] for group in optimizer.param_groups]

    def step(self, factor: float) -> None:
        """One update at `factor` times each group's peak rate."""
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = factor * peak
        self.optimizer.step()

    def tensors(self) -> dict[str, Tensor]:
        """The state by name."""
        state: dict[int, dict[str, Tensor]] = self.optimizer.state_dict()["state"]
        return {f"{i}.{name}": torch.as_tensor(value) for i, entry in state.items() for name, value in entry.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors()` gave; nothing at all before the first step."""
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        shapes = {
            f"{i}.{name}": torch.empty(() if name == "step" else parameter.shape, device="meta")
            for i, parameter in enumerate(parameters)
            for name in self.state
        }
        check_same(shapes if tensors else {}, tensors)
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            place, _, key = name.partition(".")
            state.setdefault(int(place), {})[key] = tensor.clone()
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})


class Way(NamedTuple):
    """Parameters that are moved alike, by name; `shaped` are matrices and tables."""

    names: list[str]
    decay: float
    factor: float
    shaped: bool


def ways(shaped: Sequence[str], others: Sequence[str], decay: float, factors: Mapping[str, float]) -> list[Way]:
    """Parameters with one decay and one factor of the rate together.

    >>> [way.names for way in ways(["a", "b", "c"], ["d"], 0.01, {"b": 0.5})]
    [['a', 'c'], ['b'], ['d']]
    """
    found: list[Way] = []
    for names, own, is_shaped in ((shaped, decay, True), (others, 0.0, False)):
        of = {name: factors.get(name, 1.0) for name in names}
        found += [
            Way([name for name in names if of[name] == factor], own, factor, is_shaped)
            for factor in dict.fromkeys(of.values())
        ]
    return found


class Optimizer:
    """The optimizer of a run: one or two of the above over one `FlatParameters`."""

    def __init__(
        self, module: nn.Module, config: OptimizerConfig, dtype: torch.dtype, factors: Mapping[str, float] | None = None
    ) -> None:
        """factors   what the rate of a parameter is multiplied with, by name; 1 where none is named"""
        self.rate = config.rate
        """Peak learning rate."""
        factors = factors or {}
        decayed, exempt = decay_lists(module)
        matrices = layer_matrices(module) if config.name == "muon" else []
        decayed = [name for name in decayed if name not in set(matrices)]
        moved = ways(decayed, exempt, config.weight_decay, factors)
        self.flat = flat = FlatParameters(module, [matrices, *(way.names for way in moved)], dtype)
        parts = [
            Part(_leaf(flat.master[where], flat.gradient[where]), way.decay, way.factor)
            for where, way in zip(flat.ranges[1:], moved, strict=True)
        ]
        self.inner: dict[str, Google | Lamb | Adagrad | Torch] = {}
        if config.name == "google":
            self.inner["google"] = Google(parts, config)
        elif config.name == "adagrad":
            self.inner["adagrad"] = Adagrad(parts, rate=config.rate, begin=config.first_sum)
        elif config.name in ("lamb", "google_lamb"):
            blocks = [_sizes(flat, way.names) if way.shaped else [] for way in moved]
            self.inner[config.name] = Lamb(parts, blocks, config, corrected=config.name == "lamb")
        else:
            self.inner["adamw"] = _adamw(parts, config)
        if config.name == "muon":
            if not matrices:
                raise BadInput("muon moves the layers' matrices, and this model has no layers: take adamw")
            self.inner["muon"] = _muon(flat, ways(matrices, [], config.matrix_decay, factors), config)

    def step(self, factor: float) -> None:
        """Move the master by one update at `factor` times the peak rates, and publish it."""
        for inner in self.inner.values():
            inner.step(factor)
        self.flat.publish()

    def tensors(self) -> dict[str, Tensor]:
        """The state by name, for a checkpoint."""
        return {
            f"{kind}.{name}": tensor for kind, inner in self.inner.items() for name, tensor in inner.tensors().items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `tensors()` gave; MaskwrightError for the state of another optimizer."""
        of: dict[str, dict[str, Tensor]] = {kind: {} for kind in self.inner}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind not in of:
                check_same({}, {name: tensor})
            of[kind][rest] = tensor
        for kind, inner in self.inner.items():
            inner.load(of[kind])


def _moments(state: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    return {
        f"{i}.{name}": tensor
        for i, pair in enumerate(state)
        for name, tensor in zip(("mean", "square"), pair, strict=True)
    }


def _take_up(ours: Mapping[str, Tensor], saved: Mapping[str, Tensor]) -> None:
    check_same(ours, saved)
    for name, tensor in ours.items():
        tensor.copy_(saved[name])


def _maps(name: str) -> int:
    """How many maps a matrix holds: query, key and value lie together, but each is one by itself."""
    return 3 if name.endswith("query_key_value.weight") else 1


def _leaf(values: Tensor, gradient: Tensor) -> Tensor:
    """A view of the master that torch's optimizers take for a parameter, its gradient in place."""
    leaf = values.detach()
    leaf.grad = gradient
    return leaf


def _adamw(parts: list[Part], config: OptimizerConfig) -> Torch:
    groups = [{"params": [part.weights], "weight_decay": part.decay, "lr": config.rate * part.factor} for part in parts]
    betas = (config.beta1, config.beta2)
    adamw = torch.optim.AdamW(groups, lr=config.rate, betas=betas, eps=config.epsilon, fused=True)
    return Torch(adamw, ("step", "exp_avg", "exp_avg_sq"))


def _muon(flat: FlatParameters, moved: list[Way], config: OptimizerConfig) -> Torch:
    groups = [
        {"params": list(_maps_of(flat, way.names)), "lr": config.matrix_rate * way.factor, "weight_decay": way.decay}
        for way in moved
    ]
    muon = torch.optim.Muon(groups, lr=config.matrix_rate, momentum=config.momentum)
    return Torch(muon, ("momentum_buffer",))


def _maps_of(flat: FlatParameters, names: Sequence[str]) -> Iterator[Tensor]:
    for name in names:
        parts = flat.master_of[name].chunk(_maps(name)), flat.gradient_of[name].chunk(_maps(name))
        yield from (_leaf(values, gradient) for values, gradient in zip(*parts, strict=True))


def _sizes(flat: FlatParameters, names: Sequence[str]) -> list[int]:
    return [flat.master_of[name].numel() // _maps(name) for name in names for _ in range(_maps(name))]

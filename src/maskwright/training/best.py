"""Which weights were judged best so far, and whether it is time to stop.

Early stopping (Prechelt 1998, "Early Stopping - But When?"): training goes on as long as a measure on examples put
aside improves, and the weights that did best are what is kept. They are part of every checkpoint, so that a run that
is stopped anywhere ends with the same ones.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field
from torch import Tensor

from maskwright.config import Config
from maskwright.training.flat import FlatParameters
from maskwright.training.fully_sharded import FullySharded
from maskwright.training.metrics import HeldOut


class StoppingConfig(Config):
    """When training ends, and which weights are kept."""

    keep: Literal["best", "last"] = "best"
    """best: the weights that did best on the examples put aside, among all that were looked at; last: those at the end.
    """
    patience: int | None = Field(default=None, ge=1)
    """So many looks in a row that are not better than the best before end the training. none: it goes to its end."""


class Best:
    """The best look so far: that with the greatest first measure; of equal ones that with the smaller loss.

    step      after which it was, 0 before the first look
    value     its first measure; a number that is not finite is less than any other
    waited    looks since then
    tensors   the weights of then, on the CPU, where they are kept
    """

    def __init__(self, config: StoppingConfig) -> None:
        self.keeps, self.patience = config.keep == "best", config.patience
        self.step, self.waited = 0, 0
        self.value, self.loss = -math.inf, math.inf
        self.tensors: dict[str, Tensor] = {}

    @property
    def kept(self) -> int:
        """The step whose weights are kept; 0 where the last are."""
        return self.step if self.keeps else 0

    @property
    def enough(self) -> bool:
        """Whether to stop."""
        return self.patience is not None and self.waited >= self.patience

    def look(self, step: int, seen: HeldOut, weights: Mapping[str, Tensor]) -> None:
        """Take in what weights were found to be worth after `step` updates."""
        value = _finite(next(iter((seen.measures or {}).values()), -seen.loss), -math.inf)
        loss = _finite(seen.loss, math.inf)
        if self.step and (value, -loss) <= (self.value, -self.loss):
            self.waited += 1
            return
        self.step, self.value, self.loss, self.waited = step, value, loss, 0
        if self.keeps:
            self.tensors = {name: tensor.detach().to("cpu", copy=True) for name, tensor in weights.items()}

    def state(self) -> dict[str, Any]:
        """All but the tensors, for state.json."""
        numbers = {name: value if math.isfinite(value) else None for name, value in self._numbers().items()}
        return {"step": self.step, "waited": self.waited, "enough": self.enough, **numbers}

    def tensors_beside(self, step: int) -> dict[str, Tensor]:
        """The weights to save beside those of `step`: none where these are the best themselves."""
        return {} if step == self.step else self.tensors

    def take_up(self, state: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Go on from what a checkpoint holds.

        tensors   `tensors_beside`, or the checkpoint's own weights where these are the best
        """
        self.step, self.waited = state["step"], state["waited"]
        self.value = -math.inf if state["value"] is None else state["value"]
        self.loss = math.inf if state["loss"] is None else state["loss"]
        if self.keeps and self.step:
            self.tensors = {name: tensor.clone() for name, tensor in tensors.items()}

    def restore(self, flat: FlatParameters | FullySharded) -> None:
        """Put the best weights in place, where they are kept."""
        if self.kept:
            flat.load(self.tensors)

    def _numbers(self) -> dict[str, float]:
        return {"value": self.value, "loss": self.loss}


def _finite(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise

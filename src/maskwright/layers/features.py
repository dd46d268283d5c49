"""What a task reads of an encoder: some of its layers, as they are or mixed, and what an LSTM makes of them.

BERT's other way (arXiv 1810.04805, section 5.3, table 7): the encoder stays as it was pretrained, vectors of its layers
are features, and a BiLSTM of two layers learns from them. ELMo's (arXiv 1802.05365, section 3.2): all layers, mixed
with weights that the task learns. Either can be had with an encoder that learns too.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.layers.bilstm import BiLstm
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.scalar_mix import ScalarMix

LayersName = Literal["last", "sum_last_four", "concat_last_four", "mix"]
TopName = Literal["linear", "crf", "bilstm", "bilstm_crf"]


class FeaturesConfig(Config):
    """What a task reads of the encoder, and what stands above it."""

    frozen: bool = False
    """The encoder keeps its weights; what stands above it learns alone."""
    layers: LayersName = "last"
    """last, sum_last_four, concat_last_four, or mix: all of them with weights that are learned."""
    top: TopName = "linear"
    """linear, crf, bilstm or bilstm_crf: what scores are made by; a crf is for tags."""
    lstm_layers: int = Field(default=2, ge=1, le=64)
    """bilstm: one upon another."""
    lstm_cells: int | None = Field(default=None, ge=1, le=65_536)
    """bilstm: of each direction. none: half the encoder's width, so that both together are as wide."""
    legal: Literal["never", "decoding", "always"] = "decoding"
    """crf: when tags are held to their scheme: never, decoding, or always: in training too."""

    @property
    def above(self) -> bool:
        """Whether more than a linear map of the last layer stands above the encoder."""
        return self.layers != "last" or self.top != "linear"

    @property
    def has_lstm(self) -> bool:
        """Whether an LSTM is in it."""
        return self.top in ("bilstm", "bilstm_crf")

    @property
    def has_crf(self) -> bool:
        """Whether a CRF is on top."""
        return self.top in ("crf", "bilstm_crf")


class Encoder(Protocol):
    """What features are read of."""

    def __call__(self, batch: Batch, stream: DropoutStream | None = None, rows: Tensor | None = None) -> Tensor:
        """(T, H), the last layer, or (R, H) at some rows. Without a `stream` nothing is dropped."""
        ...

    def hidden_states(self, batch: Batch, stream: DropoutStream | None = None) -> list[Tensor]:
        """L + 1 tensors (T, H): what goes into the layers, then each one's output."""
        ...


JOINED: dict[LayersName, Callable[[Sequence[Tensor]], Tensor]] = {
    "sum_last_four": lambda states: torch.stack(list(states[-4:])).sum(0),
    "concat_last_four": lambda states: torch.cat(list(states[-4:]), 1),
    "mix": lambda states: torch.cat(list(states), 1),
}


class Features(nn.Module):
    """An encoder's batch -> (T, W), or (R, W) at some rows.

    width    W, of what it gives
    frozen   nothing is differentiated through the encoder, and nothing is dropped in it
    """

    def __init__(self, config: FeaturesConfig, hidden: int, layers: int, rate: float = 0.0) -> None:
        """hidden   H, the encoder's
        layers   L, the encoder's
        rate     of what goes into each layer of an LSTM, in training
        """
        super().__init__()
        if config.layers in ("sum_last_four", "concat_last_four") and layers < 4:
            raise BadInput(f"features.layers {config.layers} reads four layers, the model has {layers}: last, or mix")
        self.frozen = config.frozen
        self.layers: LayersName = config.layers
        self.width = 4 * hidden if config.layers == "concat_last_four" else hidden
        self.mix = ScalarMix(layers + 1) if config.layers == "mix" else None
        self.lstm = None
        if config.has_lstm:
            cells = config.lstm_cells or -(-hidden // 2)
            self.lstm = BiLstm(self.width, cells, config.lstm_layers, rate)
            self.width = 2 * cells

    def forward(
        self, encoder: Encoder, batch: Batch, stream: DropoutStream | None = None, rows: Tensor | None = None
    ) -> Tensor:
        """What the head above is given. Without a `stream` nothing is dropped.

        rows   (R,) int64, ascending; None: all T
        """
        seen = self.read(encoder, batch, stream, rows)
        if self.mix is not None:
            seen = self.mix(seen.unflatten(1, (len(self.mix.weights), -1)).unbind(1))
        if self.lstm is None:
            return seen
        seen = self.lstm(seen, batch.cu_seqlens.cpu().numpy().astype(np.int64), stream)
        return seen if rows is None else seen.index_select(0, rows)

    def read(
        self, encoder: Encoder, batch: Batch, stream: DropoutStream | None = None, rows: Tensor | None = None
    ) -> Tensor:
        """What comes of the encoder, before anything that is learned here: (R, W'), or (T, W') where an LSTM reads all.

        Where the batch brings it along (`Batch.features`) the encoder is not asked.
        """
        if batch.features is not None:
            return batch.features.to(next(cast("nn.Module", encoder).parameters()).dtype)
        rows = None if self.lstm is not None else rows
        if not self.frozen:
            return self._joined(encoder, batch, stream, rows)
        with torch.no_grad():
            return self._joined(encoder, batch, None, rows)

    def start(self, seed: int) -> None:
        """Start what is learned: all layers alike, an LSTM as PyTorch starts it."""
        if self.mix is not None:
            nn.init.zeros_(self.mix.weights)
            nn.init.ones_(self.mix.gamma)
        if self.lstm is not None:
            self.lstm.start(seed)

    def _joined(self, encoder: Encoder, batch: Batch, stream: DropoutStream | None, rows: Tensor | None) -> Tensor:
        if self.layers == "last":
            return encoder(batch, stream, rows)
        joined = JOINED[self.layers](encoder.hidden_states(batch, stream))
        return joined if rows is None else joined.index_select(0, rows)

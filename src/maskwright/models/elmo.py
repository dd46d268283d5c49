"""ELMo: two LSTM language models, one for each direction, over words made of their characters.

Peters et al., *Deep contextualized word representations* (arXiv 1802.05365); allenai/bilm-tf `bilm/model.py`. It
differs from BERT in everything: a word's vector comes from its characters, so no word is unknown; each direction
knows one side alone, and the two meet only where their outputs are laid side by side; there is no attention, and
no longest sequence. From the second layer on a layer's input is added to its output. Layer 0 is a word's own vector
twice, layers 1 to L are the forward model's output and the backward model's, beside each other: H = 2 P.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from maskwright import draws
from maskwright.batch import Batch
from maskwright.config import Config as Configuration
from maskwright.errors import BadInput
from maskwright.layers.character_encoder import CharacterEncoder, FilterActivation
from maskwright.layers.dropout import DropoutStream, dropout
from maskwright.layers.lookup import lookup
from maskwright.layers.lstm import Lstm
from maskwright.layers.reading_order import ReadingOrder, reading_order
from maskwright.layers.weight_names import WeightName
from maskwright.layers.word_characters import WIDTH

READS = frozenset(
    {"token_ids", "cu_seqlens", "max_seqlen", "position_ids", "char_ids", "char_rows", "lane_ids", "backward"}
)


class ElmoConfig(Configuration):
    """The shape of an ELMo."""

    model_type: Literal["elmo"] = "elmo"
    """Which network this is."""
    vocab_size: int = Field(default=793_469, ge=1, le=10_000_000)
    """V, the words that are predicted; begin and end of a sentence are numbers V and V + 1."""
    character_size: int = Field(default=16, ge=1, le=65_536)
    """Size of a character's vector."""
    filters: tuple[tuple[int, int], ...] = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024))
    """(characters, how many) of each kind of filter."""
    filter_activation: FilterActivation = "relu"
    """relu or tanh, after the filters."""
    num_highways: int = Field(default=2, ge=0, le=64)
    """Highway layers behind the filters."""
    max_characters: int = Field(default=WIDTH, ge=3, le=4_096)
    """Places of a word, two marks included; longer words lose their end."""
    num_hidden_layers: int = Field(default=2, ge=1, le=64)
    """L, of each direction."""
    cell_size: int = Field(default=4096, ge=1, le=65_536)
    """C, of each LSTM."""
    projection_size: int = Field(default=512, ge=1, le=65_536)
    """P, of words, and of each LSTM's output; H = 2 P."""
    cell_clip: float | None = Field(default=3.0, gt=0, allow_inf_nan=False)
    """Largest number in a cell. none: no limit."""
    projection_clip: float | None = Field(default=3.0, gt=0, allow_inf_nan=False)
    """Largest number in an output. none: no limit."""
    dropout: float = Field(default=0.1, ge=0, le=0.99)
    """Dropout of each layer's input, and of the last one's output."""

    @property
    def hidden_size(self) -> int:
        """H, both directions beside each other."""
        return 2 * self.projection_size

    @property
    def longest(self) -> int:
        """The most tokens that a sequence may have: there is no limit but that of an int32."""
        return 2**31 - 1

    @model_validator(mode="after")
    def _filters_fit(self) -> "ElmoConfig":
        if not self.filters or any(width < 1 or not 1 <= count <= 65_536 for width, count in self.filters):
            raise ValueError(f"filters {self.filters}: a width of at least 1 and a count up to 65,536 were expected")
        if (widest := max(width for width, _ in self.filters)) > self.max_characters:
            raise ValueError(f"a filter of {widest} characters is wider than the {self.max_characters} of a word")
        return self


_PUBLISHED_FILTERS: tuple[tuple[int, int], ...] = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024))
SIZES: dict[str, dict[str, Any]] = {
    "tiny": {
        "character_size": 8,
        "filters": ((1, 8), (2, 16), (3, 32), (4, 64)),
        "num_highways": 1,
        "cell_size": 256,
        "projection_size": 64,
    },
    **{
        name: {
            "filters": _PUBLISHED_FILTERS,
            "num_highways": highways,
            "cell_size": cell,
            "projection_size": projection,
        }
        for name, highways, cell, projection in [
            ("small", 1, 1024, 128),
            ("medium", 1, 2048, 256),
            ("original", 2, 4096, 512),
        ]
    },
}
"""As allennlp published them (13.6, 28.0 and 93.6 million parameters), and one to try things with."""
DEFAULT_VOCABULARY = 793_469


class State(NamedTuple):
    """What N sequences have read so far. Direction 0 is forward, 1 backward.

    hidden   (L, 2, N, P)
    cell     (L, 2, N, C)
    """

    hidden: Tensor
    cell: Tensor


class Elmo(nn.Module):
    """Character encoder, and L layers of LSTMs for each direction."""

    def __init__(self, config: ElmoConfig) -> None:
        super().__init__()
        self.config, self.name, self.reads = config, "ELMo", READS
        self.characters = CharacterEncoder(
            character_size=config.character_size,
            filters=config.filters,
            activation=config.filter_activation,
            num_highways=config.num_highways,
            output_size=config.projection_size,
        )
        self.forward_layers = nn.ModuleList([_lstm(config) for _ in range(config.num_hidden_layers)])
        self.backward_layers = nn.ModuleList([_lstm(config) for _ in range(config.num_hidden_layers)])

    def forward(self, batch: Batch, stream: DropoutStream | None = None, rows: Tensor | None = None) -> Tensor:
        """The last layer, (T, H), from zero states; with `rows` (R,) at these rows alone."""
        last = self.hidden_states(batch, stream)[-1]
        return last if rows is None else last.index_select(0, rows)

    def hidden_states(self, batch: Batch, stream: DropoutStream | None = None) -> list[Tensor]:
        """L + 1 tensors (T, H): each word's own vector twice, then each layer's. Every sequence begins from zeros."""
        return self.read(batch, stream)[0]

    def read(
        self, batch: Batch, stream: DropoutStream | None = None, state: State | None = None
    ) -> tuple[list[Tensor], State]:
        """As `hidden_states`, from a given state of each sequence; and the state behind it.

        Backward, what a state goes on from is the text that follows the sequence.
        """
        words = self._words(batch)
        bounds = batch.cu_seqlens.cpu().numpy().astype(np.int64)
        orders = [reading_order(bounds, backward=backward, device=words.device) for backward in (False, True)]
        layers, after = self._both(words, orders, stream, state)
        return [torch.cat([words, words], -1), *layers], after

    def read_lanes(self, batch: Batch, stream: DropoutStream | None, state: State) -> tuple[Tensor, State]:
        """The last layer (T, P) of sequences of which the first half run forward and the others backward.

        Each is read in the order in which it stands, by the model of its direction.
        state    of each lane: sequence n and sequence N/2 + n go on from lane n's
        """
        words = self._words(batch)
        bounds = batch.cu_seqlens.cpu().numpy().astype(np.int64)
        half = batch.num_sequences // 2
        orders = [
            reading_order(bounds[: half + 1], backward=False, device=words.device),
            reading_order(bounds[half:], backward=False, device=words.device),
        ]
        read, after = self._run(words, orders, stream, state)
        place = torch.argsort(torch.cat([order.rows for order in orders]))
        return torch.cat([outputs[-1] for outputs in read]).index_select(0, place), after

    def counted(self, batch: Batch) -> Tensor:
        """(T,) bool, words: what stands for a sentence's begin or end is none."""
        return batch.token_ids < self.config.vocab_size

    def attention_weights(self, batch: Batch) -> list[Tensor]:
        """BadInput: it has none."""
        raise BadInput("ELMo has no attention: its LSTMs read word by word")

    def pooled(self, last: Tensor, batch: Batch) -> Tensor:
        """BadInput: it has none."""
        raise BadInput("ELMo has no pooler, so nothing judges whole sequences: take mean")

    def weight_names(self) -> list[WeightName]:
        """Every parameter; folders have them under our own names."""
        return weight_names(self.config)

    def initialise(self, seed: int) -> "Elmo":
        """Start all weights as bilm-tf does (`bilm/training.py`), each from the seed and its name."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                _start(name, parameter, self.config, seed)
        return self

    def _words(self, batch: Batch) -> Tensor:
        """(T, P) each token's own vector; words that occur twice are worked out once."""
        batch.check_read_by(self.name, self.reads)
        if batch.char_ids is None or batch.char_rows is None:
            raise BadInput("ELMo reads characters, and this batch has none: form it with the words' own")
        return lookup(self.characters(batch.char_ids), batch.char_rows)

    def _both(
        self, words: Tensor, orders: Sequence[ReadingOrder], stream: DropoutStream | None, state: State | None
    ) -> tuple[list[Tensor], State]:
        """The layers (T, H) where both directions read all tokens."""
        read, after = self._run(words, orders, stream, state)
        places = [torch.argsort(order.rows) for order in orders]
        sides = [[one.index_select(0, place) for one in outputs] for outputs, place in zip(read, places, strict=True)]
        return [torch.cat(both, -1) for both in zip(*sides, strict=True)], after

    def _run(
        self, words: Tensor, orders: Sequence[ReadingOrder], stream: DropoutStream | None, state: State | None
    ) -> tuple[list[list[Tensor]], State]:
        """Each direction's layers in the order in which it reads, the last one dropped out; and the states behind."""
        read: list[list[Tensor]] = []
        hidden: list[list[Tensor]] = []
        cell: list[list[Tensor]] = []
        for way, (order, layers) in enumerate(zip(orders, (self.forward_layers, self.backward_layers), strict=True)):
            x, outputs, of_hidden, of_cell = words.index_select(0, order.rows), [], [], []
            back = torch.argsort(order.sequences)
            for place, lstm in enumerate(cast("list[Lstm]", layers)):
                x = dropout(x, self.config.dropout, stream)
                begin = None if state is None else (part[place, way][order.sequences] for part in state)
                output, end = lstm(x, order, None if begin is None else tuple(begin))
                x = output + x if place else output
                outputs.append(x)
                of_hidden.append(end[0].index_select(0, back))
                of_cell.append(end[1].index_select(0, back))
            outputs[-1] = dropout(outputs[-1], self.config.dropout, stream)
            read.append(outputs)
            hidden.append(of_hidden)
            cell.append(of_cell)
        after = State(*(torch.stack([torch.stack(one) for one in zip(*part, strict=True)]) for part in (hidden, cell)))
        return read, after


def _lstm(config: ElmoConfig) -> Lstm:
    size = config.projection_size
    return Lstm(size, config.cell_size, size, cell_clip=config.cell_clip, projection_clip=config.projection_clip)


def elmo(config: ElmoConfig, position: nn.Module | None = None) -> Elmo:
    """The network. An LSTM knows the order by itself: `position` must be None."""
    if position is not None:
        raise BadInput("ELMo has no positions: its LSTMs know the order by themselves")
    return Elmo(config)


def zero_state(config: ElmoConfig, sequences: int, like: Tensor) -> State:
    """What has been read before anything was."""
    sizes = config.num_hidden_layers, 2, sequences
    return State(like.new_zeros(*sizes, config.projection_size), like.new_zeros(*sizes, config.cell_size))


def config_json(config: ElmoConfig) -> dict[str, Any]:
    """The `config.json` of a folder of ours; no class of `transformers` is an ELMo."""
    return config.model_dump(mode="json")


def weight_names(config: ElmoConfig) -> list[WeightName]:
    """Every parameter; nobody publishes them but under names that need more than renaming, see `elmo_hdf5`."""
    with torch.device("meta"):
        return [WeightName(name, (name,)) for name, _ in Elmo(config).named_parameters()]


def _start(name: str, parameter: Tensor, config: ElmoConfig, seed: int) -> None:
    """bilm-tf's beginning: gates that carry, forget gates at 1, the rest by its number of inputs."""
    generator = torch.Generator().manual_seed(draws.key(seed, "start", name) & (2**63 - 1))
    values = torch.zeros(parameter.shape)
    if name == "characters.table":
        values.uniform_(-1, 1, generator=generator)
    elif name.startswith("characters.filters.") and parameter.ndim > 1:
        if config.filter_activation == "relu":  # Kim et al.
            values.uniform_(-0.05, 0.05, generator=generator)
        else:
            values.normal_(0, parameter[0].numel() ** -0.5, generator=generator)
    elif name.endswith("transform_and_gate.bias"):
        values[len(values) // 2 :] = -2
    elif name.startswith("characters.") and parameter.ndim > 1:
        values.normal_(0, parameter.shape[1] ** -0.5, generator=generator)
    elif name.endswith(".input.bias"):
        values[config.cell_size : 2 * config.cell_size] = 1
    elif parameter.ndim > 1:
        nn.init.uniform_(values, *_glorot(name, config), generator=generator)
    parameter.copy_(values)


def _glorot(name: str, config: ElmoConfig) -> tuple[float, float]:
    """The range of TensorFlow's default: W and U are one matrix there."""
    cell, size = config.cell_size, config.projection_size
    inputs, outputs = (cell, size) if name.endswith(".projection") else (2 * size, 4 * cell)
    limit = (6 / (inputs + outputs)) ** 0.5
    return -limit, limit


Config, network = ElmoConfig, elmo

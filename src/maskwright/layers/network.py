"""What the networks of BERT's family are: embeddings, layers one after another, and a pooler, over a flat batch.

A network is this class, given its parts; `models/` has the parts.
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.errors import BadInput
from maskwright.layers.attention import plain
from maskwright.layers.dropout import DropoutStream
from maskwright.layers.filler import fill, lacking, tokens_of
from maskwright.layers.initial import start
from maskwright.layers.layout import Layout, layout
from maskwright.layers.pre_norm_layer import PreNormLayer
from maskwright.layers.row_attention import some_rows
from maskwright.layers.transformer_layer import Layer
from maskwright.layers.weight_names import WeightName


class Shape(Protocol):
    """What is asked of any network's config."""

    @property
    def model_type(self) -> str:
        """Which network it is."""
        ...

    @property
    def hidden_size(self) -> int:
        """H."""
        ...

    @property
    def num_hidden_layers(self) -> int:
        """L."""
        ...

    @property
    def longest(self) -> int:
        """The most tokens that a sequence may have."""
        ...

    @property
    def initializer_range(self) -> float:
        """Standard deviation of the truncated normal that weights start from."""
        ...


class Tables(Protocol):
    """A network's embeddings: a module, (batch, stream) -> (T, E)."""

    token: nn.Parameter
    """(V, E)."""
    position: nn.Module
    """Its `weight` is (P, E)."""


class Network(nn.Module):
    """An encoder, given its parts."""

    def __init__(
        self,
        config: Shape,
        *,
        name: str,
        reads: AbstractSet[str],
        weight_names: Sequence[WeightName],
        embeddings: nn.Module,
        layers: Sequence[Layer] | Sequence[PreNormLayer],
        projection: nn.Module | None = None,
        final: nn.Module | None = None,
        pooler: nn.Module | None = None,
        causal: bool = False,
        residual: float = 1.0,
    ) -> None:
        """name         what it is called, for messages
        reads        the fields of a batch that it reads
        weight_names every parameter beside its name in the published class
        embeddings   (T,) -> (T, E)
        projection   E -> H, where tables are narrower than layers
        final        H -> H, behind the last layer: the norm of networks whose layers begin with theirs
        pooler       H -> H, before a tanh; None: nothing judges whole sequences
        causal       a token sees itself and those before it
        residual     what the first weights that end a half of a layer are multiplied with
        """
        super().__init__()
        self.config = config
        self.name = name
        self.reads = frozenset(reads)
        self._weight_names = list(weight_names)
        self.embeddings = embeddings
        self.projection = projection
        self.layers = nn.ModuleList(layers)
        self.final = final
        self.pooler = pooler
        self.causal = causal
        self._residual = residual

    @property
    def token_table(self) -> Tensor:
        """(V, E), what a head's decoder is tied to."""
        return cast("Tables", self.embeddings).token

    def forward(self, batch: Batch, stream: DropoutStream | None = None, rows: Tensor | None = None) -> Tensor:
        """The last layer's output, (T, H). Without a `stream` nothing is dropped.

        rows   (R,) int64, ascending: then (R, H), the same at these rows; what nobody reads is not computed
        """
        x, where = self._embedded(batch, stream)
        where = where.with_filler(lacking(len(x), x))
        x, read = fill(x, where.filler), len(x)
        few = None
        if rows is not None and len(self.layers) and not self.causal:
            few, read = some_rows(rows, where).with_filler(lacking(len(rows), x)), len(rows)
        for place, layer in enumerate(self.layers, 1):
            x = layer(x, where, stream, few if place == len(self.layers) else None)
        x = tokens_of(x, read)
        if rows is not None and few is None:
            x = x.index_select(0, rows)
        return x if self.final is None else self.final(x)

    def hidden_states(self, batch: Batch, stream: DropoutStream | None = None) -> list[Tensor]:
        """L + 1 tensors (T, H): what goes into the layers, then each one's output."""
        x, where = self._embedded(batch, stream)
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1], where, stream))
        if self.final is not None:
            states[-1] = self.final(states[-1])
        return states

    @torch.no_grad()
    def attention_weights(self, batch: Batch) -> list[Tensor]:
        """For each sequence its attention weights in all layers, (L, A, S_i, S_i)."""
        x, where = self._embedded(batch, None)
        weights: list[list[Tensor]] = []
        for layer in cast("list[Layer]", self.layers):
            weights.append(plain(layer.queries_keys_values(x), where, layer.heads)[1])
            x = layer(x, where, None)
        return [torch.stack(of_layers) for of_layers in zip(*weights, strict=True)]

    def pooled(self, last: Tensor, batch: Batch) -> Tensor:
        """(T, H) -> (N, H): tanh projection of each sequence's first token; of zeros where there is none."""
        return self.pool(first_vectors(last, batch), batch)

    def pool(self, first: Tensor, batch: Batch) -> Tensor:
        """The same from the first tokens alone, (N, H) -> (N, H). BadInput for a network without a pooler."""
        if self.pooler is None:
            raise BadInput(
                f"{self.name} has no pooler, so nothing judges whole sequences: take another network, or other heads"
            )
        return torch.tanh(self.pooler(first * (batch.cu_seqlens.diff() > 0)[:, None]))

    def weight_names(self) -> list[WeightName]:
        """Every parameter beside its name in the published class, in the order of the network."""
        return list(self._weight_names)

    def initialise(self, seed: int) -> "Network":
        """Start all weights, see `layers.initial.start`. Fixed positions keep their values."""
        start(self, self.config.initializer_range, seed)
        self.scale_residuals()
        return self

    @torch.no_grad()
    def scale_residuals(self, layers: Iterable[nn.Module] | None = None) -> None:
        """Multiply what ends a half of a layer, once after its start (GPT-2, section 2.3); 1 in most networks.

        layers   those that were started; None: all
        """
        if self._residual != 1:
            for layer in cast("Iterable[Layer]", self.layers if layers is None else layers):
                layer.attention_output.weight.mul_(self._residual)
                layer.output.weight.mul_(self._residual)

    def _embedded(self, batch: Batch, stream: DropoutStream | None) -> tuple[Tensor, Layout]:
        """What goes into the first layer, and where sequences lie; BadInput where the batch is not for this network."""
        batch.check_read_by(self.name, self.reads)
        if batch.max_seqlen > self.config.longest:
            raise BadInput(
                f"a sequence of {batch.max_seqlen} tokens is longer than the model's {self.config.longest} positions: "
                "shorten it, or ask for truncation"
            )
        dtype = self.token_table.dtype
        where = layout(batch.cu_seqlens, batch.num_tokens, batch.max_seqlen, dtype, causal=self.causal)
        x = self.embeddings(batch, stream)
        return x if self.projection is None else self.projection(x), where


def first_vectors(last: Tensor, batch: Batch) -> Tensor:
    """(T, H) -> (N, H): each sequence's first token; of a batch without tokens zeros."""
    if batch.num_tokens == 0:
        return last.new_zeros(batch.num_sequences, last.shape[1])
    return last.index_select(0, batch.first_rows)

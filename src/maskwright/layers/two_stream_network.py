"""A network of two streams over a flat batch: contents, which know their token, and predictions, which do not.

Yang et al. (arXiv 1906.08237), section 2.3; zihangdai/xlnet `modeling.py`, `transformer_xl`. `models/xlnet.py` gives it
its shape and its names. Without an order it is a plain bidirectional encoder.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.errors import BadInput
from maskwright.layers.activations import ActivationName
from maskwright.layers.dropout import DropoutStream, dropout
from maskwright.layers.filler import fill, lacking, tokens_of
from maskwright.layers.initial import start
from maskwright.layers.layout import Layout, layout
from maskwright.layers.lookup import lookup
from maskwright.layers.relative_attention import Biases, plain
from maskwright.layers.relative_positions import distance_table
from maskwright.layers.row_attention import Rows, some_rows
from maskwright.layers.sight import FirstTarget, Sight, content_sight, prediction_sight
from maskwright.layers.two_stream_layer import TwoStreamLayer
from maskwright.layers.weight_names import WeightName


class Shape(Protocol):
    """What the network takes from its config; `models.xlnet.XlnetConfig` says what each is."""

    @property
    def model_type(self) -> str: ...  # noqa: D102
    @property
    def vocab_size(self) -> int: ...  # noqa: D102
    @property
    def d_model(self) -> int: ...  # noqa: D102
    @property
    def n_layer(self) -> int: ...  # noqa: D102
    @property
    def n_head(self) -> int: ...  # noqa: D102
    @property
    def d_inner(self) -> int: ...  # noqa: D102
    @property
    def ff_activation(self) -> ActivationName: ...  # noqa: D102
    @property
    def untie_r(self) -> bool: ...  # noqa: D102
    @property
    def dropout(self) -> float: ...  # noqa: D102
    @property
    def remembers(self) -> int: ...  # noqa: D102
    @property
    def reuse_len(self) -> int | None: ...  # noqa: D102
    @property
    def clamp_len(self) -> int: ...  # noqa: D102
    @property
    def layer_norm_eps(self) -> float: ...  # noqa: D102
    @property
    def initializer_range(self) -> float: ...  # noqa: D102
    @property
    def first_target(self) -> FirstTarget: ...  # noqa: D102


class Reading(NamedTuple):
    """What became of a batch.

    content     (T, H) of the last layer; None where only predictions were asked for
    predicted   (R, H) of the last layer, at the rows asked for; None without
    memory      (L, N, m, H), what goes on to each lane's next sequence: what went into each layer; None without
    """

    content: Tensor | None
    predicted: Tensor | None
    memory: Tensor | None


class Streams(NamedTuple):
    """Both streams before or after a layer: (T, H), and (R, H) where there are predictions."""

    content: Tensor
    predicted: Tensor | None


class TwoStreamNetwork(nn.Module):
    """Token table, one vector for what is to be predicted, and L layers."""

    pooler: None = None
    """Nothing judges whole sequences but the heads of tasks, which have maps of their own."""

    def __init__(
        self, config: Shape, *, name: str, reads: AbstractSet[str], weight_names: Sequence[WeightName]
    ) -> None:
        """name         what it is called, for messages
        reads        the fields of a batch that it reads
        weight_names every parameter beside its name in the published class
        """
        super().__init__()
        self.config, self.name, self.reads, self.causal = config, name, frozenset(reads), False
        self._weight_names = list(weight_names)
        hidden, heads = config.d_model, config.n_head
        self.token = nn.Parameter(torch.empty(config.vocab_size, hidden))
        self.mask = nn.Parameter(torch.empty(1, 1, hidden))
        tied = None if config.untie_r else Biases(heads, hidden // heads)
        self.layers = nn.ModuleList(
            TwoStreamLayer(
                hidden,
                heads,
                config.d_inner,
                config.ff_activation,
                biases=tied or Biases(heads, hidden // heads),
                eps=config.layer_norm_eps,
                rate=config.dropout,
            )
            for _ in range(config.n_layer)
        )

    @property
    def token_table(self) -> Tensor:
        """(V, H), what a head's decoder is tied to."""
        return self.token

    def forward(self, batch: Batch, stream: DropoutStream | None = None, rows: Tensor | None = None) -> Tensor:
        """The last layer's output: (T, H), or (R, H) at `rows` (R,) int64, ascending. Without a `stream` nothing drops.

        Of a batch without ranks it is the contents'; of one with ranks it is the predictions', at all rows or at some:
        none of them knows its own token.
        """
        if batch.ranks is not None:
            every = torch.arange(batch.num_tokens, device=batch.token_ids.device)
            predicted = self.read(batch, stream, every if rows is None else rows).predicted
            assert predicted is not None
            return predicted
        content = self.read(batch, stream).content
        assert content is not None
        return content if rows is None else content.index_select(0, rows)

    def read(
        self,
        batch: Batch,
        stream: DropoutStream | None = None,
        rows: Tensor | None = None,
        memory: Tensor | None = None,
        *,
        remember: bool = False,
    ) -> Reading:
        """One pass through all layers.

        rows       (R,) int64, ascending, to predict; the batch has ranks then. None: contents alone are computed
        memory     (L, N, m, H) of the text before, of each sequence
        remember   give the memory for the next step: the last `mem_len` of memory and the first `reuse_len` of this

        Memories are for batches whose sequences are equally long; ValueError for others.
        """
        states: list[Tensor] = []
        last = Streams(torch.empty(0), None)
        for last in self._streams(batch, stream, rows, memory, all_contents=rows is None):
            states.append(last.content)
        rate = self.config.dropout
        return Reading(
            dropout(last.content, rate, stream) if rows is None else None,
            None if last.predicted is None else dropout(last.predicted, rate, stream),
            self._remembered(states[:-1], batch, memory) if remember and self.config.remembers else None,
        )

    def hidden_states(self, batch: Batch, stream: DropoutStream | None = None) -> list[Tensor]:
        """L + 1 tensors (T, H), of contents: what goes into the layers, then each one's output."""
        return [both.content for both in self._streams(batch, stream, None, None, all_contents=True)]

    def hidden_streams(self, batch: Batch, rows: Tensor, memory: Tensor | None = None) -> list[Streams]:
        """L + 1 times both streams: what goes into the layers, then each one's output."""
        return list(self._streams(batch, None, rows, memory, all_contents=True))

    @torch.no_grad()
    def attention_weights(self, batch: Batch) -> list[Tensor]:
        """For each sequence the attention weights of its contents in all layers, (L, A, S_i, S_i)."""
        found: list[list[Tensor]] = []
        lengths = batch.cu_seqlens.diff().tolist()
        layers = cast("list[TwoStreamLayer]", self.layers)
        for state, layer in zip(self.hidden_states(batch), layers, strict=False):
            found.append([])
            for n, content in enumerate(state.split(lengths)):
                rows = slice(int(batch.cu_seqlens[n]), int(batch.cu_seqlens[n + 1]))
                ranks = content.new_zeros(len(content)) if batch.ranks is None else batch.ranks[rows]
                _, weights = plain(
                    layer.attention,
                    content,
                    content,
                    content[:0],
                    torch.arange(len(content), device=content.device),
                    ranks[None] <= ranks[:, None],
                    None if batch.token_type_ids is None else batch.token_type_ids[rows],
                    backward=batch.backward is not None and bool(batch.backward[n]),
                    clamp=self.config.clamp_len,
                )
                found[-1].append(weights)
        return [torch.stack(of_layers) for of_layers in zip(*found, strict=True)]

    def pooled(self, last: Tensor, batch: Batch) -> Tensor:
        """BadInput: there is no pooler."""
        return self.pool(last, batch)

    def pool(self, first: Tensor, batch: Batch) -> Tensor:
        """BadInput: there is no pooler."""
        raise BadInput(
            f"{self.name} has no pooler, so nothing judges whole sequences: take another network, or other heads"
        )

    def weight_names(self) -> list[WeightName]:
        """Every parameter beside its name in the published class, in the order of the network."""
        return list(self._weight_names)

    def scale_residuals(self, layers: Iterable[nn.Module] | None = None) -> None:
        """Nothing: what ends a half of a layer starts like the rest."""

    def initialise(self, seed: int) -> "TwoStreamNetwork":
        """Start all weights, see `layers.initial.start`."""
        start(self, self.config.initializer_range, seed)
        return self

    def _streams(
        self,
        batch: Batch,
        stream: DropoutStream | None,
        rows: Tensor | None,
        memory: Tensor | None,
        *,
        all_contents: bool,
    ) -> Iterator[Streams]:
        """L + 1 times both streams. Of the last layer contents are computed only with `all_contents`."""
        batch.check_read_by(self.name, self.reads)
        like = self.token
        where = layout(batch.cu_seqlens, batch.num_tokens, batch.max_seqlen, like.dtype)
        where = where.with_filler(lacking(batch.num_tokens, like))
        length = self._length(memory, where)
        some = None if rows is None else some_rows(rows, where)
        sights = self._sights(batch, where, some, length)
        content = fill(dropout(lookup(self.token, batch.token_ids), self.config.dropout, stream), where.filler)
        predicted = None
        if some is not None:
            some = some.with_filler(lacking(len(some.index), like))
            predicted = dropout(self.mask[0].expand(len(some.index), -1), self.config.dropout, stream)

        def streams() -> Streams:
            asked = None if predicted is None or rows is None else tokens_of(predicted, len(rows))
            return Streams(tokens_of(content, batch.num_tokens), asked)

        table = distance_table(
            batch.max_seqlen,
            length,
            self.config.d_model,
            self.config.clamp_len,
            both_ways=batch.backward is not None,
            device=batch.token_ids.device,
        )
        # one table for the batch; zihangdai/xlnet drops distances of each sequence by themselves
        table = dropout(table.to(self.token.dtype), self.config.dropout, stream)
        ways = None
        if batch.backward is not None:
            ways = torch.stack([~batch.backward, batch.backward], 1).to(table.dtype)
        yield streams()
        for place, layer in enumerate(cast("list[TwoStreamLayer]", self.layers)):
            if batch.num_tokens:
                keys = layer.attention.keys(content, where, None if memory is None else memory[place], table, ways)
                if some is not None and predicted is not None:
                    predicted = layer(predicted, some.where, keys, sights[1], stream)
                if all_contents or place + 1 < len(self.layers):
                    content = layer(content, where, keys, sights[0], stream)
            yield streams()

    def _sights(self, batch: Batch, where: Layout, some: Rows | None, memory: int) -> list[Sight]:
        """What contents see, and what predictions see where there are some."""
        ranks, types, dtype = batch.ranks, batch.token_type_ids, self.token.dtype
        sights = [content_sight(ranks, types, where, memory, dtype)]
        if some is not None:
            if ranks is None:
                raise ValueError("predictions want an order, and the batch has no ranks")
            sights.append(prediction_sight(ranks, types, where, some, memory, dtype, self.config.first_target))
        return sights

    def _length(self, memory: Tensor | None, where: Layout) -> int:
        """Tokens of memory; ValueError for one that does not go with the batch."""
        if memory is None:
            return 0
        wanted = len(self.layers), where.num_sequences, self.config.d_model
        if memory.ndim != 4 or (*memory.shape[:2], memory.shape[3]) != wanted or where.slots is not None:
            raise ValueError(
                f"a memory of shape {tuple(memory.shape)} for (L, N, H) = {wanted}: (L, N, m, H) was expected, and "
                "sequences of equal length"
            )
        return memory.shape[2]

    def _remembered(self, states: list[Tensor], batch: Batch, memory: Tensor | None) -> Tensor:
        """(L, N, m, H): the last `mem_len` of what was there and the first `reuse_len` of what went into each layer."""
        n, s = batch.num_sequences, batch.max_seqlen
        if n * s != batch.num_tokens:
            raise ValueError("memories are for batches whose sequences are equally long")
        new = torch.stack([state.detach().view(n, s, -1)[:, : self.config.reuse_len or s] for state in states])
        joined = new if memory is None else torch.cat([memory, new], 2)
        return joined[:, :, -self.config.remembers :].clone()

"""XLNet: a Transformer-XL that predicts tokens in random orders, each from those before it in the order.

Yang et al., *XLNet: Generalized Autoregressive Pretraining for Language Understanding* (arXiv 1906.08237);
zihangdai/xlnet `modeling.py`. It differs from BERT in having no positions but distances, seen by attention; segments
too are relative (the same, or another); attention may reach back into a memory of the text before; and there are two
streams of the same weights: one of contents, which know their token, and one of predictions, which know only where
they stand. Without an order it is a plain bidirectional encoder. [CLS] stands at the end.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.config import Config as Configuration
from maskwright.errors import BadInput
from maskwright.layers.activations import ActivationName, published_activation
from maskwright.layers.attention import Layout, layout
from maskwright.layers.dropout import DropoutStream, dropout
from maskwright.layers.initial import start
from maskwright.layers.lookup import lookup
from maskwright.layers.relative_attention import Biases, plain
from maskwright.layers.relative_positions import distance_table
from maskwright.layers.row_attention import Rows, some_rows
from maskwright.layers.sight import FirstTarget, Sight, content_sight, prediction_sight
from maskwright.layers.two_stream_layer import TwoStreamLayer
from maskwright.layers.weight_names import Published, WeightName, weight_and_bias

READS = frozenset(
    {"token_ids", "cu_seqlens", "max_seqlen", "position_ids", "token_type_ids", "ranks", "lane_ids", "backward"}
)


class XlnetConfig(Configuration):
    """The shape of an XLNet. Names are those of a Hugging Face `config.json`, but for `first_target`."""

    model_type: Literal["xlnet"] = "xlnet"
    """Which network this is."""
    vocab_size: int = Field(default=32000, ge=1)
    """V, rows of the token table."""
    d_model: int = Field(default=1024, ge=2)
    """H; even."""
    n_layer: int = Field(default=24, ge=0)
    """L."""
    n_head: int = Field(default=16, ge=1)
    """A; divides H."""
    d_inner: int = Field(default=4096, ge=1)
    """Width of the feed-forward network, 4H as published."""
    ff_activation: ActivationName = "gelu"
    """gelu (erf, what transformers computes) or gelu_tanh (what Google's code computes)."""
    untie_r: bool = True
    """Whether each layer has attention biases of its own, as published; else all share them."""
    attn_type: Literal["bi"] = "bi"
    """bi: attention looks both ways; `uni`, a one-directional Transformer-XL, is not built."""
    dropout: float = Field(default=0.1, ge=0, le=0.99)
    """Of embeddings, distances, attention weights, activations and each sub-layer's output."""
    mem_len: int | None = Field(default=None, ge=0)
    """The most tokens of memory; none or 0: there is none."""
    reuse_len: int | None = Field(default=None, ge=0)
    """Tokens at a sequence's beginning that go into the memory; none or 0: all."""
    bi_data: bool = False
    """Whether half of the training text runs backwards."""
    clamp_len: int = Field(default=-1, ge=-1)
    """Greater distances are taken for this one; -1 or 0: none are."""
    same_length: bool = False
    """Of the originals, for attention of one direction; has no effect with attn_type bi."""
    initializer_range: float = Field(default=0.02, gt=0)
    """Standard deviation of the truncated normal that weights start from."""
    layer_norm_eps: float = Field(default=1e-12, gt=0)
    """Added to the variance in norms."""
    pad_token_id: int = Field(default=5, ge=0)
    """Written to config.json for others; nothing here pads."""
    first_target: FirstTarget = "nothing"
    """What a prediction attends to that may see nothing: nothing; google: everything, itself too, as the originals."""

    @property
    def hidden_size(self) -> int:
        """H."""
        return self.d_model

    @property
    def num_hidden_layers(self) -> int:
        """L."""
        return self.n_layer

    @property
    def num_attention_heads(self) -> int:
        """A."""
        return self.n_head

    @property
    def intermediate_size(self) -> int:
        """Width of the feed-forward network."""
        return self.d_inner

    @property
    def type_vocab_size(self) -> int:
        """Segments of a text as it is laid out: A, B, and that of [CLS]. The network compares any number."""
        return 3

    @property
    def longest(self) -> int:
        """The most tokens that a sequence may have: distances have no end, attention's memory has."""
        return 1 << 20

    @property
    def remembers(self) -> int:
        """The most tokens of memory."""
        return self.mem_len or 0

    @model_validator(mode="after")
    def _fits(self) -> "XlnetConfig":
        if self.d_model % self.n_head or self.d_model % 2:
            raise ValueError(f"d_model {self.d_model} is not even, or not a multiple of n_head {self.n_head}")
        return self


SIZES: dict[str, dict[str, Any]] = {
    name: {"n_layer": layers, "d_model": hidden, "n_head": hidden // 64, "d_inner": 4 * hidden}
    for name, layers, hidden in [("tiny", 2, 128), ("base", 12, 768), ("large", 24, 1024)]
}
"""base and large as published (zihangdai/xlnet's README); tiny is BERT's."""
DEFAULT_VOCABULARY = 32000


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


class Xlnet(nn.Module):
    """Token table, one vector for what is to be predicted, and L layers."""

    def __init__(self, config: XlnetConfig) -> None:
        super().__init__()
        self.config, self.name, self.reads = config, "XLNet", READS
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
        """BadInput: an XLNet has no pooler."""
        return self.pool(last, batch)

    def pool(self, first: Tensor, batch: Batch) -> Tensor:
        """BadInput: an XLNet has no pooler."""
        raise BadInput(
            f"{self.name} has no pooler, so nothing judges whole sequences: take another network, or other heads"
        )

    def weight_names(self) -> list[WeightName]:
        """Every parameter beside its name in the published class, in the order of the network."""
        return weight_names(self.config)

    def initialise(self, seed: int) -> "Xlnet":
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
        where = layout(batch.cu_seqlens, batch.num_tokens, batch.max_seqlen, self.token.dtype)
        length = self._length(memory, where)
        some = None if rows is None else some_rows(rows, where)
        content = dropout(lookup(self.token, batch.token_ids), self.config.dropout, stream)
        predicted = None
        if some is not None:
            predicted = dropout(self.mask[0].expand(len(some.index), -1), self.config.dropout, stream)
        sights = self._sights(batch, where, some, length)
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
        ways = None if batch.backward is None else batch.backward.long()
        yield Streams(content, predicted)
        for place, layer in enumerate(cast("list[TwoStreamLayer]", self.layers)):
            if batch.num_tokens:
                keys = layer.attention.keys(content, where, None if memory is None else memory[place], table, ways)
                if some is not None and predicted is not None:
                    predicted = layer(predicted, some.where, keys, sights[1], stream)
                if all_contents or place + 1 < len(self.layers):
                    content = layer(content, where, keys, sights[0], stream)
            yield Streams(content, predicted)

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


def xlnet(config: XlnetConfig, position: nn.Module | None = None) -> Xlnet:
    """Token table and L layers. BadInput for another kind of positions: there are none."""
    if position is not None:
        raise BadInput("XLNet has distances in place of positions: start.positions must be random")
    return Xlnet(config)


PUBLISHED = {
    "xlnet": Published(
        name="XLNet",
        paper="1906.08237",
        prefix="transformer.",
        heads={"lm_loss.": "plm"},
        head_names={"cls.predictions.bias": "lm_loss.bias"},
        has_pooler=False,
        classes={("plm",): "XLNetLMHeadModel", (): "XLNetModel"},
        tied={"lm_loss.weight": "transformer.word_embedding.weight"},
        keys={"first_target": "maskwright_first_target"},
    )
}


def config_json(config: XlnetConfig) -> dict[str, Any]:
    """The `config.json` of a folder that stock `transformers` loads.

    It makes each layer's biases its own whatever `untie_r` says, and computes the same with copies of them.
    """
    keys = PUBLISHED["xlnet"].keys
    data = {keys.get(name, name): value for name, value in config.model_dump().items()}
    if config.first_target == "nothing":
        del data["maskwright_first_target"]
    return {
        **data,
        "ff_activation": published_activation(config.ff_activation),
        "d_head": config.d_model // config.n_head,
    }


def weight_names(config: XlnetConfig) -> list[WeightName]:
    """Our names beside those of Hugging Face's `XLNetModel`, in the order of the network."""
    names = [WeightName("token", ("word_embedding.weight",)), WeightName("mask", ("mask_emb",))]
    for i in range(config.n_layer):
        here, there = f"layers.{i}", f"layer.{i}"
        for ours, letter in (("query", "q"), ("key", "k"), ("value", "v"), ("position", "r"), ("output", "o")):
            names.append(WeightName(f"{here}.attention.{ours}", (f"{there}.rel_attn.{letter}",)))
        names.append(WeightName(f"{here}.attention.segments", (f"{there}.rel_attn.seg_embed",)))
        owner = here if config.untie_r else "layers.0"
        for ours, letter in (("content", "w"), ("position", "r"), ("segment", "s")):
            names.append(WeightName(f"{owner}.attention.biases.{ours}", (f"{there}.rel_attn.r_{letter}_bias",)))
        names += weight_and_bias(f"{here}.attention_norm", f"{there}.rel_attn.layer_norm")
        names += weight_and_bias(f"{here}.intermediate", f"{there}.ff.layer_1")
        names += weight_and_bias(f"{here}.output", f"{there}.ff.layer_2")
        names += weight_and_bias(f"{here}.output_norm", f"{there}.ff.layer_norm")
    return names


Config, network = XlnetConfig, xlnet

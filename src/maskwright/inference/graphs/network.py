"""What is exported of a model: its network over a padded rectangle, its pooling, and the head of its task."""

from typing import cast

import torch
from torch import Tensor, nn

from maskwright.batch import Batch
from maskwright.checkpoints.task_folder import TASK
from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder
from maskwright.inference.graphs.facts import HIDDEN, INPUTS, SCORES, VECTORS, GraphFacts, Pooling
from maskwright.layers.network import Network
from maskwright.layers.rectangle import Rectangle
from maskwright.models import segments_of
from maskwright.models.xlm import XlmConfig
from maskwright.models.xlnet import XlnetConfig
from maskwright.objectives.option_scores import OptionScores
from maskwright.objectives.sequence_scores import SequenceScores
from maskwright.objectives.span_scores import SpanScores
from maskwright.objectives.tag_scores import TagScores
from maskwright.tasks.answering import Task
from maskwright.training.adapted import Adapted
from maskwright.training.finetuning import Finetuning

Head = SequenceScores | OptionScores | TagScores | SpanScores
OF_SEQUENCES = (SequenceScores, OptionScores)


class Exported(nn.Module):
    """(N, S) ids, mask and segments -> `outputs`, in that order."""

    def __init__(
        self, network: Network, pooling: Pooling, head: Head | None, *, normalize: bool, language: int
    ) -> None:
        super().__init__()
        self.network, self.head = network, head
        self.rectangle = Rectangle(network, language)
        self.pooling: Pooling = pooling
        self.normalize = normalize
        self.outputs = (HIDDEN, VECTORS, *(() if head is None else (SCORES,)))

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """See `facts`."""
        last = self.rectangle(input_ids, attention_mask, token_type_ids)
        vectors = self._pooled(last, attention_mask)
        if self.normalize:
            vectors = vectors / torch.linalg.vector_norm(vectors, dim=-1, keepdim=True).clamp(min=1e-12)
        return (last, vectors) if self.head is None else (last, vectors, self._scores(self.head, last, attention_mask))

    def _pooled(self, last: Tensor, mask: Tensor) -> Tensor:
        if self.pooling == "mean":
            tokens = mask[..., None].to(last.dtype)
            return (last * tokens).sum(1) / tokens.sum(1).clamp(min=1)
        first = last[:, 0] * mask[:, :1].to(last.dtype)  # of a text without a token zeros
        if self.pooling == "cls":
            return first
        assert self.network.pooler is not None
        return torch.tanh(self.network.pooler(first))

    def _scores(self, head: Head, last: Tensor, mask: Tensor) -> Tensor:
        n, s, width = last.shape
        rectangle = _rectangle(n, s, last.device)
        if isinstance(head, OF_SEQUENCES):
            return head.scores(self._seen(head, last, mask), rectangle, self.network)
        scores = head.scores(last.reshape(n * s, width), rectangle, self.network)
        return scores.view(n, s, scores.shape[-1])

    def _seen(self, head: SequenceScores | OptionScores, last: Tensor, mask: Tensor) -> Tensor:
        """(N, H), the token that the head judges by."""
        kind = (head.scored if isinstance(head, OptionScores) else head).summary.kind
        if kind not in ("last", "last_dense"):
            return last[:, 0]
        ends = (mask.sum(1) - 1).clamp(min=0)
        return last.gather(1, ends[:, None, None].expand(-1, 1, last.shape[-1]))[:, 0]


def _rectangle(n: int, s: int, device: torch.device) -> Batch:
    """Sequences that all have S tokens, as heads are told of them."""
    ends = torch.arange(n + 1, device=device) * s
    ids = torch.zeros(n * s, dtype=torch.int64, device=device)
    return Batch(token_ids=ids, cu_seqlens=ends, max_seqlen=s, position_ids=ids)


def exported(
    encoder: Encoder, pooling: Pooling | None, normalize: bool | None, where: str
) -> tuple[Exported, GraphFacts]:
    """What is exported of an encoder, and what is to be known of it. BadInput for a model that is no such graph.

    pooling, normalize   None: as a sentence-transformers folder says, else mean, and any length
    """
    config = encoder.config
    if isinstance(config, XlnetConfig):
        raise BadInput(f"{where} is an XLNet, whose two streams and memory are no graph of one pass: export it as hf")
    head = None if encoder.task is None else _head(encoder.task, where)
    said = encoder.sentences
    if pooling is None:
        pooling = cast("Pooling", said.pooling) if said else "mean"
        normalize = (said.normalize if said else False) if normalize is None else normalize
    if pooling not in ("mean", "cls", "pooler"):
        raise BadInput(f"{where} makes vectors by {pooling}: mean, cls and pooler are exported, name one by --pooling")
    if pooling == "pooler" and not encoder.has_pooler:
        raise BadInput(f"{where} has no pooler: take mean or cls")
    told = isinstance(config, XlmConfig) and config.knows_languages
    module = Exported(
        encoder.model.encoder, pooling, head, normalize=bool(normalize), language=encoder.language if told else 0
    )
    part = encoder.task.part if encoder.task else None
    facts = GraphFacts(
        model_type=config.model_type,
        hidden_size=config.hidden_size,
        longest=config.longest,
        vocab_size=config.vocab_size,
        segments=segments_of(config),
        language=encoder.language if told else None,
        pooling=pooling,
        normalize=bool(normalize),
        asks=part.asks if part else None,
        labels=part.labels if part else (),
        span=part.span._asdict() if part and part.span else None,
    )
    return module.eval(), facts


def inputs_of(facts: GraphFacts) -> tuple[str, ...]:
    """What a graph with these facts is given."""
    return INPUTS if facts.segments > 1 else INPUTS[:2]


def _head(task: Task, where: str) -> Head:
    if isinstance(task.model, Adapted):
        raise BadInput(f"{where} is an adapter: `maskwright export --to hf` merges it, and that folder is exported")
    if task.above is not None:
        raise BadInput(f"{TASK} of {where} stands above its encoder, and only heads of one map are exported: export hf")
    model: Finetuning = task.model
    assert isinstance(model.head, Head)
    return model.head

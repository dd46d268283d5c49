"""A bi-encoder in a fine-tuning: how pairs are compared, the network, and the folder that is left.

The folder is one of sentence-transformers. An encoder with a pooling is all that it holds: that it was trained on
pairs, and how, stands in its card alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from maskwright.checkpoints.folder import write_folder
from maskwright.checkpoints.sentence_vectors import SentenceVectors, write_sentence_vectors
from maskwright.checkpoints.task_part import TaskPart
from maskwright.errors import BadInput
from maskwright.models import ModelConfig, published
from maskwright.objectives.text_vectors import SimilarityConfig, TextVectors
from maskwright.tasks.examples import Near
from maskwright.tokenizers.tokenizer import Tokenizer
from maskwright.training.finetuning import Finetuning, bi_encoder
from maskwright.training.pretraining import Pretraining, published_parts


def settled(
    config: SimilarityConfig | None, part: TaskPart, network: ModelConfig, examples: Sequence[Any]
) -> SimilarityConfig | None:
    """How pairs are compared, the loss named; None for another task. BadInput where network or examples forbid it."""
    if part.asks not in ("near", "nearness"):
        if config is not None:
            raise BadInput(f"the recipe has a table similarity, and its task asks for {part.asks}: leave it out")
        return None
    config, scored = config or SimilarityConfig(), part.asks == "nearness"
    loss = config.loss or ("cosent" if scored else "infonce")
    if scored and loss == "infonce":
        raise BadInput("similarity.loss infonce is of pairs without scores: leave --label off, or take cosent")
    if not scored and loss != "infonce":
        raise BadInput(f"similarity.loss {loss} is of pairs with scores: name their column with --label")
    if config.symmetric and loss != "infonce":
        raise BadInput(f"similarity.symmetric goes with infonce, and the loss is {loss}: leave it out")
    there = published(network.model_type)
    if config.pooling == "cls" and there.summary.kind.startswith("last"):
        raise BadInput(f"similarity.pooling cls: {there.name} has nothing in front that stands for a text; take mean")
    if loss == "cosine":
        _refuse_scores(examples)
    return config.model_copy(update={"loss": loss})


def _refuse_scores(examples: Sequence[Near]) -> None:
    for one in examples:
        if one.score is not None and not -1 <= one.score <= 1:
            raise BadInput(
                f"{one.where} has the score {one.score:g}, and a cosine is -1 to 1: scale the scores, or take "
                "similarity.loss cosent, which asks for their order alone"
            )


def network(config: ModelConfig, similarity: SimilarityConfig) -> Finetuning:
    """The encoder with `TextVectors` on top, its weights not yet set."""
    assert similarity.loss is not None
    head = TextVectors(similarity.pooling, similarity.loss, similarity.scale, symmetric=similarity.symmetric)
    return bi_encoder(config, head)


def write(
    path: Path,
    made: Finetuning,
    tensors: Mapping[str, Tensor],
    tokenizer: Tokenizer,
    facts: Mapping[str, Any],
    *,
    pooler: bool,
    length: int,
) -> None:
    """Write the folder at `path`, in place of what is there.

    tensors  by the names of `made`
    pooler   whether its pooler came with weights
    length   the most tokens of a text
    """
    assert isinstance(made.head, TextVectors)
    names, _ = published_parts(Pretraining(made.encoder, {}), pooler=pooler)
    said = SentenceVectors(made.head.pooling, normalize=True)
    config = cast("ModelConfig", made.encoder.config)
    write_folder(
        path,
        names=names,
        parameters={name.removeprefix("encoder."): tensor for name, tensor in tensors.items()},
        config=config,
        tokenizer=tokenizer,
        facts=facts,
        replace=True,
        before_done=lambda folder: write_sentence_vectors(folder, said, hidden=config.hidden_size, length=length),
    )

"""A model that was fine-tuned, from its folder."""

from pathlib import Path
from typing import Any, cast, get_args

from maskwright.checkpoints.sentence_vectors import SentenceVectors
from maskwright.checkpoints.task_part import TaskPart
from maskwright.config import read_toml
from maskwright.errors import BadInput
from maskwright.inference.encoder import Encoder
from maskwright.inference.graphs.encoder import GraphEncoder
from maskwright.inference.loading import Loaded, load
from maskwright.objectives.text_vectors import PoolingName, TextVectors
from maskwright.tasks.answering import Task
from maskwright.tasks.recipe import LONGEST
from maskwright.training.finetuning import Finetuning
from maskwright.training.run_folder import RECIPE


def load_fine_tuned(folder: str | Path, dtype: str = "float32") -> tuple[Loaded, Task]:
    """An encoder and its task. BadInput for a model that has none."""
    encoder = load(folder, dtype=dtype)
    if encoder.task is None:
        raise BadInput(
            f"{folder} was not fine-tuned, so it predicts nothing: `maskwright finetune` makes a model that does"
        )
    return encoder, encoder.task


def load_judged(folder: str | Path, *, scored: bool) -> tuple[Loaded, Task]:
    """The same for a model that is to be judged, which one of vectors can be, too: by pairs.

    scored   those pairs have scores. A folder of sentence-transformers says how its vectors are made, and not what for
    """
    encoder = load(folder)
    if isinstance(encoder, Encoder) and encoder.task is None and encoder.sentences is not None:
        encoder.task = _of_pairs(encoder, encoder.sentences, scored=scored)
    if isinstance(encoder, GraphEncoder) and encoder.task is None:
        raise BadInput(f"{folder} is an exported graph of vectors, and pairs are judged by the folder it was made of")
    if encoder.task is None:
        raise BadInput(
            f"{folder} was not fine-tuned, and does not say how it makes vectors of texts, so nothing can be judged: "
            "`maskwright finetune` makes a model that answers, `maskwright export --to sentence-transformers` one of "
            "vectors"
        )
    return encoder, encoder.task


def _of_pairs(encoder: Encoder, made: SentenceVectors, *, scored: bool) -> Task:
    """Cosines of its vectors. BadInput for a pooling that is none of ours."""
    if made.pooling not in get_args(PoolingName):
        raise BadInput(f"its folder pools by {made.pooling}, and here are {', '.join(get_args(PoolingName))}")
    head = TextVectors(cast("PoolingName", made.pooling), "cosent" if scored else "infonce")
    part = TaskPart("nearness" if scored else "near", ("cosine",))
    return Task(part, Finetuning(encoder.model.encoder, head).eval().requires_grad_(False))


def length_of(folder: str | Path, config: Any) -> int | None:
    """How many tokens of a text a model read when it was judged in its training: as the recipe of the run says whose
    model it is; where there is none, `LONGEST`, or its positions where these are fewer.

    config   the encoder's; one without positions reads texts whole, and None says so where its recipe says nothing
    """
    recipe, said = Path(folder).absolute().parent / RECIPE, cast("int | None", None)
    if recipe.is_file():
        try:
            tables = read_toml(recipe)
        except BadInput:  # somebody's own, and no word of it
            tables = {}
        if tables.get("recipe") == "finetune" and isinstance(data := tables.get("data"), dict):
            said = number if isinstance(number := cast("dict[str, Any]", data).get("max_length"), int) else None
    longest: int | None = getattr(config, "longest", None)
    return said if longest is None else min(longest, said or LONGEST)

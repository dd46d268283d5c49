"""How an encoder learns a task: by the loop, or in one go where there are no weights to move."""

from pathlib import Path
from signal import Signals
from typing import Any

from maskwright.checkpoints.static_folder import model_type_of
from maskwright.progress import Progress, silent
from maskwright.tasks.finetune import finetune
from maskwright.tasks.finetune_linear import LinearRecipe, finetune_linear
from maskwright.tasks.recipe import Recipe

USUAL: dict[str, dict[str, Any]] = {
    "elmo": {"features.frozen": True, "features.layers": "mix", "dropout": 0.5, "optimizer.rate": 1e-3},
    "word2vec": {"optimizer.rate": 1e-3},
}
AnyRecipe = Recipe | LinearRecipe


def recipe_of(model: str) -> type[Recipe] | type[LinearRecipe]:
    """What the fine-tuning of the encoder in a folder is made of."""
    return LinearRecipe if model_type_of(model) == "bag_of_words" else Recipe


def usual_of(model: str) -> dict[str, Any]:
    """What is usual of a kind of encoder, where it is not what is usual of a BERT: dotted keys and values.

    An ELMo is read as it is, its layers mixed, half of what it says dropped out in training, and what is learned above
    moves by 1e-3 (arXiv 1802.05365, section 3.3 and appendix); a table of vectors moves as fast.
    """
    return USUAL.get(model_type_of(model) or "", {})


def learn(
    recipe: AnyRecipe,
    out: Path,
    *,
    allocator: str = "default",
    auto_batch: bool = False,
    progress: Progress = silent,
) -> Signals | None:
    """Train or fit in `out`; the signal that ended it before it was done, if any. See `finetune`."""
    if isinstance(recipe, Recipe):
        return finetune(recipe, out, allocator=allocator, auto_batch=auto_batch, progress=progress)
    finetune_linear(recipe, out, progress)
    return None

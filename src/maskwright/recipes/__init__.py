"""Recipes: each file composes the parts below into one way to pretrain, with the numbers of its paper.

The files are the catalogue: a module with a function `recipe` is a recipe, and its name is the module's.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING, Any

from maskwright.config import checked, override, plain, read_toml
from maskwright.errors import BadInput
from maskwright.progress import Progress, silent

if TYPE_CHECKING:
    from maskwright.corpus.read import Corpus
    from maskwright.training.masked_recipe import Recipe
    from maskwright.training.optimizers import Optimizer
    from maskwright.training.run_folder import RunFolder
    from maskwright.training.work import Work


def names() -> list[str]:
    """The recipes there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def meant(name: str, there: Iterable[str]) -> str:
    """The nearest of the names there are, as the end of a message.

    >>> meant("bret", ["bert", "quick"]), meant("gpt", ["bert", "quick"])
    ('; did you mean bert?', '')
    """
    near = get_close_matches(name.lower(), there, 1)
    return f"; did you mean {near[0]}?" if near else ""


def module_of(name: str) -> Any:
    """The module of a recipe; BadInput with the nearest name for one that does not exist."""
    if name not in names():
        raise BadInput(f"there is no recipe {name!r}{meant(name, names())} (there are: {', '.join(names())})")
    return importlib.import_module(f"maskwright.recipes.{name}")


def stepwise(name: str) -> Any:
    """The module of a recipe that the loop trains; BadInput for one that has a `train` of its own, and so no steps."""
    module = module_of(name)
    if hasattr(module, "train"):
        raise BadInput(f"recipe {name} is learned in one go: it has no steps to look at; `maskwright pretrain {name}`")
    return module


def resolve(
    what: str, corpus_path: str | None, size: str | None = None, changes: Mapping[str, Any] | None = None
) -> tuple["Recipe", "Corpus"]:
    """The recipe called `what`, or that of a recipe.toml, with `changes` by dotted key; and its corpus, opened.

    The size of the vocabulary and [PAD] are the corpus's tokenizer's. BadInput for unknown names, sizes and keys, and
    for a corpus whose files have not the sizes they had; `train` compares their checksums too.
    """
    from maskwright.corpus.read import Corpus

    written = read_toml(what) if what.endswith(".toml") else None
    name = str(written.get("recipe", "")) if written else what
    module = module_of(name)
    if size is not None and size not in module.SIZES:
        raise BadInput(
            f"recipe {name} has no size {size!r}{meant(size, module.SIZES)} (there are: {', '.join(module.SIZES)})"
        )
    path = corpus_path or (str(written.get("corpus", "")) if written else "")
    if not path:
        raise BadInput("which corpus? give --corpus DIR, a folder that `maskwright corpus` made")
    corpus = Corpus.open(path)
    if written is None:
        tokenizer = corpus.tokenizer
        start = plain(module.recipe(size or module.DEFAULT_SIZE, path, tokenizer.vocab_size))
        if "pad_token_id" in start["model"]:
            start = override(start, {"model.pad_token_id": tokenizer.pad_id})
        if corpus.manifest.languages and "languages" in start["model"]:
            names = list(corpus.manifest.languages)
            start = override(start, {"model.languages": names, "model.n_langs": len(names)})
    else:
        start = {**written, "corpus": path}
        if size is not None and size != written.get("size"):
            raise BadInput(f"{what} has size {written.get('size')}: --size goes with a recipe's name")
    where = what if written is not None else f"recipe {name}"
    return checked(module.Recipe, override(start, dict(changes or {})), where), corpus


def folder_for(what: str, recipe: "Recipe") -> Path:
    """Where a run goes when nobody says where: to the run whose recipe.toml `what` is, else to runs/NAME-SIZE.

    A recipe.toml that somebody wrote stays as it is: the folder it lies in is no run's.
    """
    from maskwright.training.run_folder import RECIPE, is_run

    given = Path(what)
    if given.name == RECIPE and is_run(given.parent):
        return given.parent
    return Path("runs") / f"{recipe.recipe}-{recipe.size}"


def train(
    recipe: "Recipe",
    corpus: "Corpus",
    folder: Path,
    *,
    allocator: str = "default",
    auto_batch: bool = False,
    progress: Progress = silent,
) -> Signals | None:
    """Pretrain by `recipe` in `folder`, from the newest checkpoint there if there is one.

    Returns None when the model is there, else the signal that asked to stop before. A recipe that the loop does not
    train brings a `train` of its own.

    allocator    what `keep_memory` came to in this process, as the last bits of a sum depend on it
    auto_batch   where memory runs out, go on with half as many sequences at once
    """
    from maskwright.corpus.checking import Checking
    from maskwright.report.runs import write_report
    from maskwright.training.launch import size_said
    from maskwright.training.memory import halving
    from maskwright.training.run import Fingerprints, run

    module = module_of(recipe.recipe)
    if hasattr(module, "train"):  # what is not learned by the loop
        if size_said() > 1:
            raise BadInput(f"{recipe.recipe} is learned by one process: start it without torchrun")
        return module.train(recipe, corpus, folder, progress)

    def attempt(recipe: "Recipe") -> Signals | None:
        def build(fresh: bool) -> "Work":
            checking.start()
            return module.build(recipe, corpus, progress, fresh=fresh)

        def finish(work: Any, optimizer: "Optimizer", run_folder: "RunFolder") -> None:
            write_report(run_folder.path, corpus, next(work.data.examples(0)))
            module.finish(work, optimizer, recipe, corpus, run_folder.path)  # last, as it says that all is done

        with Checking(corpus, progress) as checking:
            return run(
                recipe,
                Fingerprints(corpus.fingerprint, corpus.tokenizer.fingerprint),
                folder,
                build,
                finish,
                optimizer=recipe.optimizer,
                training=recipe.training,
                allocator=allocator,
                halves=auto_batch,
                checking=checking,
                progress=progress,
            )

    return halving(recipe, folder, attempt, wanted=auto_batch, progress=progress)

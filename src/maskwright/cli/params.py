"""`maskwright params`: how many parameters a network has, and where."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from cyclopts import Parameter

from maskwright.cli.results import AsJson, show
from maskwright.errors import BadInput

if TYPE_CHECKING:
    from maskwright.inference.parameters import Counted
    from maskwright.models import ModelConfig
    from maskwright.models.elmo import ElmoConfig
    from maskwright.training.bag_of_words import BagOfWordsConfig
    from maskwright.training.word2vec import TableConfig

BERT_VOCABULARY = 30522  # that of a table where nothing else is said, so that it stands beside BERT's
Sharing = Literal["all", "attention", "feed_forward", "none"]


def params(
    model: str,
    /,
    *,
    vocab_size: Annotated[int | None, Parameter(name="--vocab-size")] = None,
    shared: Sharing | None = None,
    json: AsJson = False,
) -> None:
    """Count the parameters of a network by component.

    Counted from the network itself, with the formula beside each number, in
    both conventions: the weights of the encoder alone, and everything it has.

    Args:
        model: A network and a size: bert-base, roberta-large, albert-xxlarge, elmo-original and so on; a size alone
            is BERT's (tiny, mini, small, medium, base, large). Or word2vec, bag_of_words, perhaps with a size
            (word2vec-300). Or a model folder.
        vocab_size: V of a size; as published when left out.
        shared: What the layers of an ALBERT share; all when left out.

    Examples:
        maskwright params base
        maskwright params roberta-large --json
        maskwright params albert-base --shared attention
        maskwright params tiny --vocab-size 8000
        maskwright params word2vec-100
        maskwright params runs/my-bert/model
    """
    from maskwright.inference import elmo_parameters, parameters
    from maskwright.inference.static_parameters import count_table, table_letters

    if (table := _static(model, vocab_size, shared)) is not None:
        counted, stand_for = count_table(table), table_letters(table)
        show(_result(model, counted, stand_for), json=json, text=lambda: _static_table(counted, stand_for))
        return
    config, heads, pooler = _network(model, vocab_size, shared)
    of_kind: Any = elmo_parameters if config.model_type == "elmo" else parameters
    counted, stand_for = of_kind.count(config, heads, pooler=pooler), of_kind.letters(config)
    result = _result(model, counted, stand_for)
    show(result, json=json, text=lambda: _table(counted, of_kind.formulas(config)["embeddings"], stand_for))


def _result(model: str, counted: "Counted", letters: dict[str, int]) -> dict[str, Any]:
    return {
        "model": model,
        "letters": letters,
        "rows": [row._asdict() for row in counted.rows],
        "components": counted.components(),
        "encoder_weights": counted.weights,
        "encoder": counted.encoder,
        "everything": counted.everything,
    }


def _static(model: str, vocab_size: int | None, shared: Sharing | None) -> "TableConfig | BagOfWordsConfig | None":
    """The shape of a model that is a table, None for any other."""
    from maskwright.checkpoints.static_folder import model_type_of
    from maskwright.inference.loading import STATIC, load

    name, _, size = model.partition("-")
    if (folder := model_type_of(model) in STATIC) or name in STATIC:
        if shared is not None:
            raise BadInput(f"--shared {shared}: {model} has no layers to share anything")
        if folder and vocab_size is not None:
            raise BadInput(f"--vocab-size {vocab_size}: {model} is a folder, whose vocabulary is what it is")
    if folder:
        return cast("TableConfig | BagOfWordsConfig", load(model).config)
    if name not in STATIC:
        return None
    from maskwright.recipes import module_of

    module = module_of(name)
    if size and size not in module.SIZES:
        raise BadInput(f"{name} has no size {size!r} (there are: {', '.join(module.SIZES)})")
    if vocab_size is not None and not 1 <= vocab_size <= 10_000_000:
        raise BadInput(f"--vocab-size {vocab_size}: choose 1 to 10,000,000")
    return module.recipe(size or module.DEFAULT_SIZE, "", vocab_size or BERT_VOCABULARY).model


def _static_table(counted: "Counted", letters: dict[str, int]) -> str:
    """What is kept, and what is learned beside it."""
    lines = [(" ", row.part, row.formula, row.parameters) for row in counted.rows if row.component == "embeddings"]
    lines.append(("=", "the model", "", counted.encoder))
    if counted.everything > counted.encoder:
        lines += [(" ", row.part, row.formula, row.parameters) for row in counted.rows if row.component == "head"]
        lines.append(("=", "while it learns", "", counted.everything))
    table = "\n".join(f"{mark} {name:<22}  {formula:<4}  {n:>13,}" for mark, name, formula, n in lines)
    return f"{table}\n\n{'  '.join(f'{letter} = {value:,}' for letter, value in letters.items())}"


def _network(
    model: str, vocab_size: int | None, shared: Sharing | None
) -> "tuple[ModelConfig | ElmoConfig, list[str] | None, bool]":
    """Shape and heads of a size or of a folder."""
    from maskwright.inference.parameters import published, sizes
    from maskwright.models.albert import AlbertConfig

    path = Path(model)
    if path.is_dir():
        from maskwright.checkpoints.elmo_folder import read_elmo
        from maskwright.checkpoints.folder import read_folder
        from maskwright.checkpoints.static_folder import model_type_of

        for name, value, what in (("vocab-size", vocab_size, "vocabulary is"), ("shared", shared, "sharing is")):
            if value is not None:
                raise BadInput(f"--{name} {value}: {model} is a folder, whose {what} what it is")
        if model_type_of(path) == "elmo":
            elmo = read_elmo(path)
            return elmo.config, ["words"] if elmo.has_softmax else [], False
        folder = read_folder(path)
        return folder.config, folder.heads, folder.has_pooler
    if vocab_size is not None and not 1 <= vocab_size <= 10_000_000:
        raise BadInput(f"--vocab-size {vocab_size}: choose 1 to 10,000,000")
    config = published(model, vocab_size)
    if config is None:
        raise BadInput(f"{model} is neither a size ({', '.join(sizes())}; tiny is bert-tiny) nor a model folder")
    if shared is not None:
        if not isinstance(config, AlbertConfig):
            raise BadInput(f"--shared {shared}: the layers of {model} share nothing; ALBERT's do")
        config = config.with_changes(shared=shared)
    return config, None, True


def _table(counted: "Counted", embeddings: str, letters: dict[str, int]) -> str:
    """Components in their order; a line that begins with = is the sum of all above it."""
    sums = counted.components()
    lines: list[tuple[str, str, str, int]] = []
    biases = "encoder, with biases and pooler" if "pooler" in sums else "encoder, with biases"
    for component, total in sums.items():
        if component == "biases":
            lines.append(("=", "encoder, weights alone", "", counted.weights))
        if component == "head":
            lines.append(("=", biases, "", counted.encoder))
        rows = [row for row in counted.rows if row.component == component]
        if component == "embeddings":
            lines.append((" ", component, embeddings, total))
        for row in rows:
            name = {"embeddings": f"  {row.part}", "head": f"head for {row.part}"}.get(component, component)
            lines.append((" ", name, row.formula, row.parameters))
    last = "with its pretraining heads" if "head" in sums else biases
    lines.append(("=", last, "", counted.everything))
    width, room = max(len(line[1]) for line in lines), max(len(line[2]) for line in lines)
    table = "\n".join(f"{mark} {name:<{width}}  {formula:<{room}}  {n:>13,}" for mark, name, formula, n in lines)
    return f"{table}\n\n{'  '.join(f'{letter} = {value:,}' for letter, value in letters.items())}"

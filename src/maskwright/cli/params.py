"""`maskwright params`: how many parameters a network has, and where."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from maskwright.cli.results import AsJson, show
from maskwright.errors import BadInput

if TYPE_CHECKING:
    from maskwright.inference.parameters import Counted
    from maskwright.models.bert import BertConfig


def params(
    model: str,
    /,
    *,
    vocab_size: Annotated[int | None, Parameter(name="--vocab-size")] = None,
    json: AsJson = False,
) -> None:
    """Count the parameters of a network by component.

    Counted from the network itself, with the formula beside each number, in
    both conventions: the weights of the encoder alone, and everything it has.

    Args:
        model: A size (tiny, mini, small, medium, base, large; or bert-base and so on), or a model folder.
        vocab_size: V of a size; 30522 as published when left out.

    Examples:
        maskwright params base
        maskwright params bert-large --json
        maskwright params tiny --vocab-size 8000
        maskwright params runs/my-bert/model
    """
    from maskwright.inference.parameters import count, letters

    config, heads, pooler = _network(model, vocab_size)
    counted = count(config, heads, pooler=pooler)
    result: dict[str, Any] = {
        "model": model,
        "letters": letters(config),
        "rows": [row._asdict() for row in counted.rows],
        "components": counted.components(),
        "encoder_weights": counted.weights,
        "encoder": counted.encoder,
        "everything": counted.everything,
    }
    show(result, json=json, text=lambda: _table(counted, letters(config)))


def _network(model: str, vocab_size: int | None) -> "tuple[BertConfig, list[str], bool]":
    """Shape and heads of a size or of a folder."""
    from maskwright.inference.parameters import published
    from maskwright.models.bert import SIZES

    path = Path(model)
    if path.is_dir():
        from maskwright.checkpoints.folder import read_folder

        if vocab_size is not None:
            raise BadInput(f"--vocab-size {vocab_size}: {model} is a folder, whose vocabulary is what it is")
        folder = read_folder(path)
        return folder.config, folder.heads, folder.has_pooler
    if vocab_size is not None and not 1 <= vocab_size <= 10_000_000:
        raise BadInput(f"--vocab-size {vocab_size}: choose 1 to 10,000,000")
    config = published(model, 30522 if vocab_size is None else vocab_size)
    if config is None:
        raise BadInput(f"{model} is neither a size ({', '.join(SIZES)}) nor a model folder")
    return config, ["mlm", "nsp"], True


def _table(counted: "Counted", letters: dict[str, int]) -> str:
    """Components in their order; a line that begins with = is the sum of all above it."""
    sums = counted.components()
    lines: list[tuple[str, str, str, int]] = []
    for component, total in sums.items():
        if component == "biases":
            lines.append(("=", "encoder, weights alone", "", counted.weights))
        if component == "head":
            lines.append(("=", "encoder, with biases and pooler", "", counted.encoder))
        rows = [row for row in counted.rows if row.component == component]
        if component == "embeddings":
            lines.append((" ", component, "(V + P + G) H", total))
        for row in rows:
            name = {"embeddings": f"  {row.part}", "head": f"head for {row.part}"}.get(component, component)
            lines.append((" ", name, row.formula, row.parameters))
    last = "with its pretraining heads" if "head" in sums else "encoder, with biases and pooler"
    lines.append(("=", last, "", counted.everything))
    width, room = max(len(line[1]) for line in lines), max(len(line[2]) for line in lines)
    table = "\n".join(f"{mark} {name:<{width}}  {formula:<{room}}  {n:>13,}" for mark, name, formula, n in lines)
    return f"{table}\n\n{'  '.join(f'{letter} = {value:,}' for letter, value in letters.items())}"

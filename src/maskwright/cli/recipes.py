"""`maskwright recipes`: what there is to pretrain, and what differs between two of them."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from maskwright.cli.results import AsJson, show
from maskwright.errors import BadInput

if TYPE_CHECKING:
    from maskwright.training.masked_recipe import Recipe

CORPUS, VOCABULARY = "corpora/en", 30522  # a recipe has both; what is shown here depends on neither


def recipes(*, json: AsJson = False) -> None:
    """List the recipes: network, layout, what is hidden, the regime.

    Numbers are those of each recipe's default size. What a recipe is and where it
    comes from stands in the first lines of its file.

    Examples:
        maskwright recipes
        maskwright recipes --json
        maskwright recipes diff bert roberta
    """
    from maskwright.recipes import module_of, names

    rows = [_row(name, module_of(name)) for name in names()]
    show(rows, json=json, text=lambda: _table(rows))


def diff(
    one: str,
    other: str,
    /,
    *,
    size: Annotated[str | None, Parameter(name="--size")] = None,
    json: AsJson = False,
) -> None:
    """Print the keys in which two recipes differ, with both values.

    Args:
        one: A recipe's name.
        other: Another one's.
        size: A size of both; each one's own default when left out.

    Examples:
        maskwright recipes diff bert roberta
        maskwright recipes diff bert quick --size tiny
    """
    from maskwright.config import dotted
    from maskwright.recipes import module_of

    made = [_made(name, module_of(name), size) for name in (one, other)]
    tables = [dotted(recipe) for recipe in made]
    keys = [key for key in dict.fromkeys([*tables[0], *tables[1]]) if key not in ("recipe", "size", "corpus")]
    differing = {
        key: {one: tables[0].get(key), other: tables[1].get(key)}
        for key in keys
        if tables[0].get(key) != tables[1].get(key)
    }
    sizes = {one: made[0].size, other: made[1].size}
    show({"sizes": sizes, "differs": differing}, json=json, text=lambda: _beside(sizes, differing))


PARTS = {"diff": diff}


def _made(name: str, module: Any, size: str | None) -> "Recipe":
    if size is not None and size not in module.SIZES:
        raise BadInput(f"recipe {name} has no size {size!r} (there are: {', '.join(module.SIZES)})")
    return module.recipe(size or module.DEFAULT_SIZE, CORPUS, VOCABULARY)


def _row(name: str, module: Any) -> dict[str, Any]:
    made = _made(name, module, None)
    summary, _, _ = (module.__doc__ or "").partition("\n")
    training = made.training
    return {
        "recipe": name,
        "what": summary,
        "network": made.model.model_type,
        "sizes": list(module.SIZES),
        "size": made.size,
        **made.outline,
        "steps": training.steps,
        "batch_sequences": training.batch_sequences,
        "optimizer": made.optimizer.name,
        "rate": made.optimizer.rate,
    }


def _table(rows: list[dict[str, Any]]) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    titles = ["recipe", "network", "layout", "tokens", "hides", "heads", "steps", "batch", "optimizer", "rate", "sizes"]
    for title in titles:
        table.add_column(title, justify="right" if title in ("steps", "batch", "rate") else "left", no_wrap=True)
    for row in rows:
        table.add_row(
            row["recipe"],
            row["network"],
            row["layout"],
            " then ".join(map(str, row["tokens"])),
            row["hides"],
            " ".join(row["heads"]),
            f"{row['steps']:,}",
            f"{row['batch_sequences']:,}",
            row["optimizer"],
            f"{row['rate']:g}",
            " ".join(f"*{size}" if size == row["size"] else size for size in row["sizes"]),
        )
    console = Console(width=200, highlight=False)
    with console.capture() as captured:
        console.print(table)
        console.print("* the default, whose numbers these are", style="dim")
    lines = (line.rstrip() for line in captured.get().splitlines())
    return "\n".join(lines)


def _beside(sizes: dict[str, str], differing: dict[str, dict[str, Any]]) -> str:
    one, other = sizes
    rows = [("", f"{one} ({sizes[one]})", f"{other} ({sizes[other]})")]
    rows += [(key, *(_shown(value) for value in both.values())) for key, both in differing.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return "\n".join(f"{key:<{widths[0]}}  {a:<{widths[1]}}  {b}" for key, a, b in rows)


def _shown(value: object) -> str:
    return (
        "-" if value is None else f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    )

"""`maskwright show`: what a recipe hides, and how often."""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from maskwright.cli.overrides import Overrides
from maskwright.cli.results import AsJson
from maskwright.cli.results import show as show_result
from maskwright.errors import BadInput

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from maskwright.objectives.show import Example, Rate

STYLES = {"masked": "bold red", "randomized": "bold yellow", "kept": "bold green", "special": "dim", "plain": ""}
LABELS = {
    "next_sentence": {0: "B follows A", 1: "B is random"},
    "sentence_order": {0: "A and B in order", 1: "A and B have changed places"},
}


def show(
    recipe: str,
    /,
    *,
    corpus: Annotated[str | None, Parameter(name="--corpus")] = None,
    size: Annotated[str | None, Parameter(name="--size")] = None,
    examples: Annotated[int, Parameter(name="--examples")] = 20,
    step: Annotated[int, Parameter(name="--step")] = 0,
    tokens: Annotated[int, Parameter(name="--tokens")] = 1_000_000,
    text: Annotated[str | None, Parameter(name="--text")] = None,
    json: AsJson = False,
    overrides: Overrides,
) -> None:
    """Show what a recipe hides: decoded training examples, and measured rates.

    Examples are those the training step sees: [MASK←word] was word, tree←word is a
    random token in its place, =word= stays but is asked for. Rates stand beside
    what the recipe asks for.

    Args:
        recipe: A recipe's name (quick, bert, roberta; `maskwright recipes`), or a recipe.toml.
        corpus: The folder that `maskwright corpus` made.
        size: One of the recipe's sizes: tiny, base, large ...
        examples: How many to show.
        step: The training step they are from.
        tokens: How many tokens to measure the rates over.
        text: Of xlnet: draw an order of these words, and who sees whom. Needs no corpus.

    Examples:
        maskwright show bert --corpus corpora/en
        maskwright show quick --corpus corpora/zh --masks.rate 0.4 --examples 3
        maskwright show runs/my-bert/recipe.toml --step 100 --json
        maskwright show xlnet --text "a b c d" --permutation.predictions 4
    """
    for name, value, least in (("examples", examples, 0), ("step", step, 0), ("tokens", tokens, 1)):
        if value < least:
            raise BadInput(f"--{name} {value} is too few: give {least} or more")
    if text is not None:
        drawn = _draw(recipe, text, step, overrides)
        show_result(drawn, json=json, text=lambda: str(drawn["drawing"]))
        return
    from itertools import count, islice

    from maskwright.recipes import resolve, stepwise

    resolved, opened = resolve(recipe, corpus, size, overrides)
    module = stepwise(resolved.recipe)
    data = module.data(resolved, opened)  # no network is made for it
    shown = list(islice((example for at in count(step) for example in data.examples(at)), examples))
    rates = module.rates(resolved, data, step, tokens)
    labels = LABELS.get(getattr(getattr(resolved, "layout", None), "task", "none"), {})
    show_result(_as_data(shown, rates, labels), json=json, text=lambda: _for_people(shown, rates, labels))


def _draw(recipe: str, text: str, step: int, overrides: Overrides) -> dict[str, Any]:
    """An order of the words of a text, by the recipe's numbers."""
    from maskwright.config import checked, override, plain
    from maskwright.draws import generator
    from maskwright.objectives.show_permutation import drawing, drawn_order
    from maskwright.recipes import module_of

    module = module_of(recipe)
    words = text.split()
    made = checked(module.Recipe, override(plain(module.recipe("tiny", "a text", 32000)), dict(overrides)), recipe)
    if not hasattr(made, "permutation"):
        raise BadInput(
            f"--text draws the order in which tokens are predicted, and recipe {recipe} has none: take xlnet"
        )
    wanted = made.permutation.predictions or max(1, len(words) // made.permutation.one_in)
    targets, places = drawn_order(len(words), wanted, generator(made.training.seed, "show", step))
    return {
        "tokens": words,
        "targets": targets.tolist(),
        "ranks": places.tolist(),
        "drawing": drawing(words, targets, places),
    }


def _as_data(shown: "list[Example]", rates: "list[Rate]", labels: dict[int, str]) -> dict[str, Any]:
    return {
        "examples": [
            {
                "text": example.text,
                "pair": "" if example.pair_label is None else labels[example.pair_label],
                "tokens": [mark._asdict() for mark in example.marks],
            }
            for example in shown
        ],
        "rates": [rate._asdict() for rate in rates],
    }


def _for_people(shown: "list[Example]", rates: "list[Rate]", labels: dict[int, str]) -> str:
    """Coloured where stdout is a terminal, and readable without."""
    from rich.console import Console

    console = Console(highlight=False)
    with console.capture() as captured:
        for number, example in enumerate(shown, 1):
            label = "" if example.pair_label is None else labels[example.pair_label]
            console.print(f"{number}. {label}", style="bold", markup=False)
            console.print(_coloured(example), soft_wrap=not console.is_terminal)
            console.print()
        console.print(_table(rates))
    return captured.get()


def _coloured(example: "Example") -> "Text":
    from rich.text import Text

    from maskwright.objectives.show import bracketed

    text = Text()
    for blank, mark in bracketed(example.marks):
        text.append(blank).append(mark.text, style=STYLES[mark.fate])
    return text


def _table(rates: "list[Rate]") -> "RenderableType":
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("", "measured", "wanted", "over"):
        table.add_column(title, justify="left" if not title else "right", no_wrap=True)
    for rate in rates:
        wanted = "" if rate.wanted is None else f"{rate.wanted:.4f}"
        measured = f"{rate.measured:.4f}" if rate.measured < 1.5 else f"{rate.measured:.1f}"
        table.add_row(rate.name, measured, wanted, f"{rate.trials:,} {rate.unit}")
    return table

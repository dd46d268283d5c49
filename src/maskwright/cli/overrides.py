"""`--table.key VALUE`: recipe keys given on the command line, whatever tables a recipe has."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from maskwright.errors import BadInput

Overrides: TypeAlias = Annotated[Mapping[str, str], Parameter(parse=False)]
"""The type of a verb's `overrides` parameter: dotted key -> text, for `maskwright.config.override`."""

DOTTED = re.compile(r"--([A-Za-z_][\w-]*(?:\.[\w-]+)+)(?:=(.*))?", re.DOTALL)


def split_overrides(tokens: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The tokens without the dotted options, and those; the last of equal ones counts.

    Dashes in a key are underscores. What follows "--" is left alone.

    >>> split_overrides(["pretrain", "bert", "--training.steps", "9", "--model.hidden-dropout-prob=0", "--json"])
    (['pretrain', 'bert', '--json'], {'training.steps': '9', 'model.hidden_dropout_prob': '0'})
    """
    end = tokens.index("--") if "--" in tokens else len(tokens)
    rest: list[str] = []
    overrides: dict[str, str] = {}
    waiting = iter(range(end))
    for index in waiting:
        token = tokens[index]
        dotted = DOTTED.fullmatch(token)
        if not dotted:
            rest.append(token)
            continue
        value = dotted[2]
        if value is None:
            value = tokens[index + 1] if index + 1 < end else "--"
            if value.startswith("--") or value == "-h":
                raise BadInput(f"{token} needs a value: {token} VALUE, or {token}=VALUE")
            next(waiting)
        overrides[dotted[1].replace("-", "_")] = value
    return [*rest, *tokens[end:]], overrides

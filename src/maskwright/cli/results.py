"""What a verb prints: its result alone on stdout, for people or as JSON."""

import json as json_format
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeAlias, cast

from cyclopts import Parameter

AsJson: TypeAlias = Annotated[
    bool, Parameter(name="--json", help="Print the result as JSON on stdout.", show_default=False)
]
"""The type of a verb's `json` parameter."""


def show(
    result: Mapping[str, Any] | Sequence[Any], *, json: bool = False, text: Callable[[], str] | str | None = None
) -> None:
    """Print `result` on stdout: as JSON, or as `text` (made only then), or as aligned lines.

    JSON has no infinity and no NaN: they become null.
    """
    if json:
        sys.stdout.write(json_format.dumps(_finite(result), ensure_ascii=False, indent=2, default=str) + "\n")
        return
    words = text() if callable(text) else text
    sys.stdout.write((aligned(result) if words is None else words).rstrip("\n") + "\n")


def log(line: str) -> None:
    """One line for the reader of the log, on stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def numbered(word: str) -> str | int:
    """A name as it is, and digits as the number they are.

    >>> numbered("zh"), numbered("1")
    ('zh', 1)
    """
    return int(word) if word.isdecimal() else word


def aligned(result: Mapping[str, Any] | Sequence[Any], indent: str = "") -> str:
    """Names in one column, values in the next; tables below their name.

    >>> print(aligned({"tokens": 12, "split": {"train": 9, "held out": None}}))
    tokens  12
    split
      train     9
      held out  -
    """
    if not isinstance(result, Mapping):
        return "\n".join(f"{indent}{_for_people(item)}" for item in result)
    width = max((len(str(name)) for name, value in result.items() if not isinstance(value, Mapping)), default=0)
    lines: list[str] = []
    for name, value in result.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{name}", aligned(cast("Mapping[str, Any]", value), indent + "  ")]
        else:
            lines.append(f"{indent}{name:<{width}}  {_for_people(value)}")
    return "\n".join(lines)


def _for_people(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_for_people(item) for item in cast("Sequence[object]", value)) or "-"
    return str(value)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in cast("Mapping[object, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in cast("Sequence[object]", value)]
    return value

"""Typed, frozen configuration, and its way to and from TOML.

A `Config` sits beside the thing it configures. Nested configs are TOML tables, so a key has a
dotted name such as `training.steps`, the same in a file, on the command line and in a message.

TOML has no null: `None` is written "none", and a field that may be None reads "none" as None.
"""

import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Self, TypeVar, Union, cast, get_args, get_origin

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from maskwright.errors import BadInput

Table = dict[str, Any]


class Config(BaseModel):
    """A frozen, keyword-only configuration that refuses keys it does not know.

    Numbers may be written as text ("1e-4"), as a command line gives them; true and false are never
    taken for numbers. Raises pydantic's ValidationError; use `checked` for a user's input.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True, protected_namespaces=()
    )

    @model_validator(mode="before")
    @classmethod
    def _as_toml_means_it(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        fields = cls.model_fields
        return {
            name: _meant(value, set(_leaves(fields[name].annotation))) if name in fields else value
            for name, value in cast("Mapping[str, object]", data).items()
        }

    def with_changes(self, **changes: object) -> Self:
        """A checked copy with some fields replaced (`model_copy` would not check them)."""
        return type(self).model_validate({**{name: getattr(self, name) for name in type(self).model_fields}, **changes})


def _meant(value: object, kinds: set[object]) -> object:
    """`value` as TOML or a command line means it, for a field that takes `kinds`."""
    if isinstance(value, str) and value.lower() == "none" and type(None) in kinds and "none" not in kinds:
        return None
    if isinstance(value, bool) and kinds & {int, float} and not kinds & {bool, Any, True, False}:
        return str(value).lower()  # Python takes True for 1; the field shall refuse it
    if isinstance(value, str) and int in kinds and not kinds & {str, float}:
        return literal(value)
    return value


Checked = TypeVar("Checked", bound=Config)


def checked(cls: type[Checked], data: Mapping[str, Any], where: str) -> Checked:
    """`data` as a `cls`, or BadInput: one line naming every wrong key and value.

    where    what the user wrote it in, for the message: "recipe.toml", "config.json of runs/x/model"
    """
    try:
        return cls.model_validate(dict(data))
    except ValidationError as error:
        raise BadInput(f"{where}: {explain(error, cls, data)}") from error


def explain(error: ValidationError, cls: type[BaseModel], data: Mapping[str, Any]) -> str:
    """Everything that is wrong, unknown keys first, in one line."""
    faults = sorted(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    lines = [_explain_one(fault["type"], fault["loc"], fault["msg"], fault.get("input"), cls, data) for fault in faults]
    return "; ".join(dict.fromkeys(lines))


def _explain_one(
    kind: str, location: Sequence[int | str], message: str, value: object, cls: type[BaseModel], data: Mapping[str, Any]
) -> str:
    path = _path_in(data, location)
    name = ".".join(path) or "the whole"
    if kind == "extra_forbidden":
        return f"unknown key {name}{_did_you_mean(path, cls)}"
    if kind == "missing":
        return f"{name} is missing"
    message = re.sub(r"^(Value error, |Assertion failed, )?", "", message)
    limit = re.sub(r"^Input should ", "must ", message)
    if isinstance(value, Mapping):  # a fault between the fields of a table: its text names them
        return f"{name}: {limit}" if path else limit
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
    return f"{name} is {shown}: {limit}"


def _path_in(data: object, location: Sequence[int | str]) -> list[str]:
    """The key's dotted name; drops what pydantic adds to tell the members of a union apart."""
    path: list[str] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(data, Mapping):
            table = cast("Mapping[str, object]", data)
            if part not in table and not last:
                continue
            data = table.get(str(part))
        elif isinstance(data, (list, tuple)) and isinstance(part, int):
            items = cast("Sequence[object]", data)
            data = items[part] if part < len(items) else None
        elif path:
            continue
        path.append(str(part))
    return path


def _did_you_mean(path: Sequence[str], cls: type[BaseModel]) -> str:
    known = list(key_names(cls))
    siblings = {name.split(".")[-1]: name for name in known if name.split(".")[:-1] == list(path[:-1])}
    anywhere = {name.split(".")[-1]: name for name in reversed(known)}
    for names, cutoff in ((siblings, 0.6), (anywhere, 0.7)):
        if near := get_close_matches(path[-1], list(names), n=1, cutoff=cutoff):
            return f" (did you mean {names[near[0]]}?)"
    return f" (there are {', '.join(siblings)})" if 0 < len(siblings) <= 12 else ""


def key_names(cls: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted names of every key of `cls`, tables before what they hold."""
    for name, field in cls.model_fields.items():
        yield prefix + name
        for kind in _leaves(field.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from key_names(kind, f"{prefix}{name}.")


def _leaves(annotation: object) -> Iterator[object]:
    """What a value may be: members of unions and of Literal, without Annotated around them.

    Tuples and lists stay whole: their items are not the field's own value.
    """
    origin = get_origin(annotation)
    if origin is Literal:
        yield from get_args(annotation)
    elif origin is Union or type(annotation).__name__ == "UnionType":
        for member in get_args(annotation):
            yield from _leaves(member)
    elif hasattr(annotation, "__metadata__"):
        yield from _leaves(get_args(annotation)[0])
    else:
        yield annotation


def plain(config: BaseModel) -> Table:
    """`config` as nested dicts of what TOML and JSON can hold, None kept: `checked` gives it back."""
    return cast("Table", _plain(config.model_dump()))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in cast("Mapping[object, object]", value).items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(inner) for inner in cast("Sequence[object]", value)]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def dotted(config: BaseModel) -> dict[str, Any]:
    """The values of `config` by dotted key, in order.

    >>> class Inner(Config):
    ...     rate: float = 0.5
    >>> class Outer(Config):
    ...     name: str = "a"
    ...     inner: Inner = Inner()
    >>> dotted(Outer())
    {'name': 'a', 'inner.rate': 0.5}
    """

    def keys(table: Table, before: str) -> Iterator[tuple[str, Any]]:
        for name, value in table.items():
            if isinstance(value, dict):
                yield from keys(cast("Table", value), f"{before}{name}.")
            else:
                yield before + name, value

    return dict(keys(plain(config), ""))


def read_toml(path: str | Path) -> Table:
    """The tables of a TOML file. BadInput when it is no TOML, naming the line; OSError when unreadable."""
    try:
        return tomllib.loads(Path(path).read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start} is not UTF-8; a TOML file is UTF-8 text") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadInput(f"{path}: not TOML: {str(error) or 'nested too deep'}") from error


def write_toml(data: Mapping[str, Any]) -> str:
    """`data` as TOML, None as "none".

    >>> print(write_toml({"steps": 1000, "clip": None, "training": {"rate": 1e-4}}), end="")
    steps = 1000
    clip = "none"
    <BLANKLINE>
    [training]
    rate = 0.0001
    """
    return tomli_w.dumps(cast("Table", _without_none(_plain(data))))


def _without_none(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in cast("Table", value).items()}
    if isinstance(value, list):
        return [_without_none(inner) for inner in cast("list[object]", value)]
    return "none" if value is None else value


def override(data: Mapping[str, Any], changes: Mapping[str, Any]) -> Table:
    """A copy of `data` with keys replaced by their dotted names; `data` stays as it was.

    >>> override({"training": {"steps": 10, "seed": 1}}, {"training.steps": "1000"})
    {'training': {'steps': 1000, 'seed': 1}}
    """
    changed = _copied(data)
    for name, value in changes.items():
        *tables, key = name.split(".")
        table = changed
        for depth, part in enumerate(tables, start=1):
            inner: object = table.setdefault(part, {})
            if not isinstance(inner, dict):
                raise BadInput(
                    f"{name}: {'.'.join(tables[:depth])} is {inner!r}, a value and no table; leave .{key} off"
                )
            table = cast("Table", inner)
        table[key] = literal(value) if isinstance(value, str) else value
    return changed


def _copied(data: Mapping[str, Any]) -> Table:
    return {key: _copied(cast("Table", inner)) if isinstance(inner, Mapping) else inner for key, inner in data.items()}


NUMBER = re.compile(r"[+-]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)([eE][+-]?\d+)?")
NOT_FINITE = re.compile(r"[+-]?(inf|nan)")


def literal(text: str) -> Any:
    """What `text` from a command line means: a number, true or false, a [list], a {table}, else itself.

    Quotes keep text that looks like something else. A number written with an exponent is whole when
    it is: steps are counted, so 1e6 must fit an integer's field.

    >>> [literal(text) for text in ("1000", "1e-4", "2e3", "inf", "true", "[1, 2]", '"7"', "linear")]
    [1000, 0.0001, 2000, inf, True, [1, 2], '7', 'linear']
    """
    word = text.strip()
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    if NUMBER.fullmatch(word):
        return _number(word)
    if NOT_FINITE.fullmatch(word):
        return float(word)
    if word[:1] in ("[", "{", '"', "'"):
        try:
            return tomllib.loads(f"value = {word}")["value"]
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise BadInput(f"cannot read {text!r} as a TOML value: {error}") from error
    return text


def _number(word: str) -> int | float:
    try:
        return int(word)
    except ValueError:
        number = float(word)
    whole = "." not in word and math.isfinite(number) and number.is_integer()
    return int(number) if whole and abs(number) < 2**53 else number

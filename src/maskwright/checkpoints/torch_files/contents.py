"""What is wanted of a file's value: the tensors of one dict, and the settings that some makers put beside it."""

from dataclasses import dataclass, field
from typing import cast

from maskwright.checkpoints.torch_files.inert import TensorView, shown
from maskwright.checkpoints.torch_files.names import Named
from maskwright.errors import BadInput

STATE = ("model", "state_dict", "model_state_dict")  # where makers put the tensors, when the dict itself is not they
SETTINGS = ("args", "cfg", "params")  # fairseq, newer fairseq, XLM
LONGEST_NAME = 1_000
MOST_VALUES, DEEPEST, LONGEST_TEXT = 20_000, 16, 10_000

Table = dict[object, object]


@dataclass
class Contents:
    """What was found.

    tensors    by the names they have in the file
    values     settings, as JSON can hold them
    dropped    names of what was passed over: optimizer states, counters, settings that are no plain values
    """

    tensors: dict[str, TensorView] = field(default_factory=dict[str, TensorView])
    values: dict[str, object] = field(default_factory=dict[str, object])
    dropped: list[str] = field(default_factory=list[str])


def contents_of(value: object) -> Contents:
    """The tensors of the dict `value`, or of the dict in it that has them. BadInput when there are none."""
    if not isinstance(value, dict):
        raise BadInput(f"it holds {shown(value)} where a dict of tensors was expected")
    table = cast("Table", value)
    place = next((key for key in STATE if _has_tensors(table.get(key))), None)
    if place is None and not _has_tensors(table):
        places = ", ".join(STATE)
        raise BadInput(f"it holds a dict of {len(table):,} items without a tensor among them or under {places}")
    found = Contents()
    if place is not None:
        _take_settings(found, {key: item for key, item in table.items() if key != place})
    _take_tensors(found, cast("Table", table[place]) if place is not None else table, f"{place}." if place else "")
    return found


def _has_tensors(value: object) -> bool:
    return isinstance(value, dict) and any(isinstance(item, TensorView) for item in cast("Table", value).values())


def _take_tensors(found: Contents, table: Table, prefix: str) -> None:
    for key, item in table.items():
        if not isinstance(item, TensorView):
            found.dropped.append(prefix + _text(key))
            continue
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_NAME or key == "__metadata__":
            raise BadInput(f"it has a tensor of the name {shown(key)}: text of up to {LONGEST_NAME:,} letters is read")
        try:
            key.encode()
        except UnicodeEncodeError:
            raise BadInput(f"it has a tensor of the name {shown(key)}, which is no Unicode") from None
        found.tensors[key] = item


def _take_settings(found: Contents, table: Table) -> None:
    left = MOST_VALUES

    def plain(item: object, name: str, depth: int) -> object:
        """`item` as JSON has it; `_NOTHING` for what JSON has not, which is noted."""
        nonlocal left
        left -= 1
        if left < 0 or depth > DEEPEST:
            raise BadInput(
                f"its settings have more than {MOST_VALUES:,} values or lie more than {DEEPEST} deep: crafted"
            )
        if isinstance(item, dict):
            inner = {
                _text(key): plain(part, f"{name}.{_text(key)}", depth + 1) for key, part in cast("Table", item).items()
            }
            return {key: part for key, part in inner.items() if part is not _NOTHING}
        if isinstance(item, (list, tuple)):
            parts = [plain(part, f"{name}.{at}", depth + 1) for at, part in enumerate(cast("list[object]", item))]
            return [part for part in parts if part is not _NOTHING]
        if isinstance(item, Named):
            return item.name
        if item is None or isinstance(item, (bool, float)):
            return item
        if (isinstance(item, int) and item.bit_length() <= 64) or (isinstance(item, str) and len(item) <= LONGEST_TEXT):
            return item
        found.dropped.append(name)
        return _NOTHING

    for key, item in table.items():
        if key in SETTINGS and item is not None:
            taken = plain(item, _text(key), 0)
            if taken is not _NOTHING:
                found.values[_text(key)] = taken
        elif key not in SETTINGS:
            found.dropped.append(_text(key))


_NOTHING = object()


def _text(key: object) -> str:
    """A key as text, in letters that every file and terminal takes."""
    return key[:LONGEST_NAME].encode(errors="replace").decode() if isinstance(key, str) else shown(key)

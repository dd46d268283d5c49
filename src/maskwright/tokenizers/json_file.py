"""Tokenizer files read with a closed schema: what is not known is refused, in one line that names the file.

No path, class or expression named inside a file is ever followed.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from maskwright.errors import BadInput
from maskwright.tokenizers.pairs import A, B, Slot

_LIMIT = 256 * 2**20  # bytes of a vocabulary file; the largest published ones are a few MB
Table = dict[str, Any]


def read_bytes(path: Path) -> bytes:
    """The whole file. BadInput when there is none, or when it is larger than any vocabulary."""
    if not path.is_file():
        raise BadInput(f"{path} is no file: name a vocab.txt, a tokenizer.json or a folder that has one")
    if (size := path.stat().st_size) > _LIMIT:
        raise BadInput(f"{path} has {size} bytes, a vocabulary at most {_LIMIT}")
    return path.read_bytes()


def read_text(path: Path) -> str:
    """The whole file as UTF-8. BadInput names the byte that is not."""
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: byte {error.start} is not UTF-8; a {path.name} is UTF-8 text") from None


def read_json(path: Path) -> Table:
    """The object in a JSON file. BadInput for what is no JSON, and for a key that stands twice."""

    def checked(pairs: list[tuple[str, Any]]) -> Table:
        table = dict(pairs)
        if len(table) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise BadInput(f"{path}: the key {twice!r} stands twice; keep one of them")
        return table

    try:
        data: object = json.loads(read_bytes(path), object_pairs_hook=checked)
    except BadInput:
        raise
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: no readable JSON ({str(error) or 'nested too deep'})") from None
    if not isinstance(data, dict):
        raise BadInput(f"{path}: a JSON object was expected")
    return cast(Table, data)


def part_of(data: Table, name: str, known: set[str], path: Path, kind: str) -> Table:
    """One part of a tokenizer.json, when it is of a known type."""
    value: object = data.get(name)
    given: object = cast(Table, value).get("type") if isinstance(value, dict) else None
    if given not in known:
        shown = repr(given or value)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        raise BadInput(f"{path}: {name} {shown} is not {kind}'s: only {' or '.join(sorted(known))} is read")
    return cast(Table, value)


def parts_of(value: object, types: Sequence[str], inner: str) -> list[Table] | None:
    """The parts of a "Sequence" whose list is named `inner`, when it has exactly these types; else None."""
    if not isinstance(value, dict) or cast(Table, value).get("type") != "Sequence":
        return None
    given = cast(Table, value).get(inner)
    if not isinstance(given, list):
        return None
    parts = [cast(Table, part) if isinstance(part, dict) else {} for part in cast("list[object]", given)]
    return parts if [part.get("type") for part in parts] == list(types) else None


def tokens_by_id(vocab: object, path: Path) -> list[str]:
    """Tokens in order of their ids. BadInput unless these run from 0 to the last without a gap."""
    if not isinstance(vocab, dict):
        raise BadInput(f"{path}: the vocabulary is no table of tokens and ids")
    by_id: dict[int, str] = {}
    for token, index in cast(Table, vocab).items():
        if type(index) is not int or not 0 <= index < len(cast(Table, vocab)) or index in by_id:
            raise BadInput(f"{path}: token {token!r} has the id {index!r}; ids run from 0 to the last without a gap")
        by_id[index] = token
    return [by_id[index] for index in range(len(by_id))]


def added_tokens(data: Table) -> list[Table]:
    """The entries of "added_tokens"; an empty one for each that is no table."""
    added: object = data.get("added_tokens")
    items = cast("list[object]", added) if isinstance(added, list) else []
    return [cast(Table, item) if isinstance(item, dict) else {} for item in items]


def check_added(
    data: Table, tokens: list[str], special: Sequence[str], path: Path, *, takes_space: Sequence[str] = ()
) -> None:
    """Added tokens may be the kind's special ones, with the ids they have in the vocabulary.

    takes_space  those that may take the space before them along

    Special tokens that stand at the end, behind the vocabulary's own, are appended to `tokens`.
    """
    for entry in added_tokens(data):
        content, index = entry.get("content"), entry.get("id")
        if content not in special:
            raise BadInput(f"{path}: added token {content!r} is none of {' '.join(special)}")
        if index == len(tokens) and content not in tokens:
            tokens.append(str(content))
        if type(index) is not int or not 0 <= index < len(tokens) or tokens[index] != content:
            raise BadInput(f"{path}: added token {content} has the id {index!r}, not its id in the vocabulary")
        if entry.get("rstrip") or entry.get("single_word") or (entry.get("lstrip") and content not in takes_space):
            raise BadInput(f"{path}: added token {content} takes the space beside it or whole words; ours does not")


def template(slots: Sequence[Slot]) -> list[Table]:
    """What a layout is in a post-processor of type TemplateProcessing."""
    return [
        {"Sequence": {"id": name[1:], "type_id": kind}}
        if name in (A, B)
        else {"SpecialToken": {"id": name, "type_id": kind}}
        for name, kind in slots
    ]


def flag(part: Mapping[str, Any], name: str, default: bool, path: Path) -> bool:
    """A true or false of `part`."""
    value = part.get(name, default)
    if type(value) is not bool:
        raise BadInput(f"{path}: {name} is {value!r}; true or false was expected")
    return value


def as_json(data: object) -> bytes:
    """In one form: equal data, equal bytes."""
    return (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode()

"""The merges of a byte-pair encoding: pairs of pieces, in the order they were learnt; from a list, or merges.txt."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import cast

from maskwright.errors import BadInput
from maskwright.tokenizers.json_file import read_text

Merge = tuple[str, str]


def read_merges(path: Path) -> list[Merge]:
    """From merges.txt: a line each, after one that tells the version."""
    if not path.is_file():
        raise BadInput(f"{path} is missing: a vocabulary of merged pairs is vocab.json with merges.txt beside it")
    lines = read_text(path).removesuffix("\n").split("\n")
    merges: list[Merge] = []
    for number, line in enumerate(lines, start=1):
        if number == 1 and line.startswith("#version"):
            continue
        merges.append(_merge(line, f"{path}: line {number}"))
    return merges


def merges_of(given: object, path: Path) -> list[Merge]:
    """From the list in a tokenizer.json: of pairs, or of lines."""
    if not isinstance(given, list):
        raise BadInput(f"{path}: merges are no list")
    return [_merge(merge, f"{path}: merge {number}") for number, merge in enumerate(cast("list[object]", given), 1)]


def check_merges(merges: Sequence[Merge], known: AbstractSet[str], where: str | Path) -> None:
    """BadInput for a merge of what is no token, or into what is none."""
    for number, (left, right) in enumerate(merges, start=1):
        if unknown := [piece for piece in (left, right, left + right) if piece not in known]:
            raise BadInput(f"{where}: merge {number}, {left!r} {right!r}, names {unknown[0]!r}, which is no token")


def _merge(given: object, where: str) -> Merge:
    pieces = (
        given.split(" ") if isinstance(given, str) else cast("list[object]", given) if isinstance(given, list) else []
    )
    if len(pieces) != 2 or not all(isinstance(piece, str) and piece for piece in pieces):
        raise BadInput(f"{where}: {given!r} is no merge; it takes two pieces with a space between")
    return cast(Merge, tuple(pieces))

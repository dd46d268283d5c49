"""How text is prepared for Unigram: what ALBERT and XLNet do to it first, then the model's own rules.

(zihangdai/xlnet, prepro_utils.py, `preprocess_text`; the rules are SentencePiece's, compiled.) One list of steps, in
their published order, as `tokenizers` applies them and as its files hold them.
"""

import base64
import binascii
from pathlib import Path
from typing import cast

from tokenizers import normalizers

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.tokenizers.json_file import Table

_QUOTES = ({"String": "``"}, {"String": "''"})
_SPACES = {"Regex": " {2,}"}


class UnigramOptions(Config):
    """What is done to text before the model's own normalization. The defaults are ALBERT's."""

    lowercase: bool = True
    """Lower-case the text."""
    strip_accents: bool = True
    """Drop accents (XLNet too); Korean and Japanese marks are put together again by the model's own rules, or lost."""
    join_quotes: bool = True
    """Make `` and '' the one sign \"."""


def normalizer(options: UnigramOptions, charsmap: bytes) -> normalizers.Normalizer:
    """The steps at work."""
    steps: list[normalizers.Normalizer] = []
    if options.join_quotes:
        steps += [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    if options.strip_accents:
        steps += [normalizers.NFKD(), normalizers.StripAccents()]
    if options.lowercase:
        steps.append(normalizers.Lowercase())
    if charsmap:
        steps.append(normalizers.Precompiled(charsmap))
    return normalizers.Sequence(steps)


def read_steps(value: object, path: Path) -> tuple[UnigramOptions, bytes]:
    """The options a list of normalizers amounts to, and the compiled rules in it.

    Each step may be left out, but the order is the published one. Several spaces made one change nothing here.
    """
    steps = _steps(value, path)
    left = list(steps)

    def take(*types: str, **fields: object) -> bool:
        same = [step.get("type") for step in left[: len(types)]] == list(types)
        if same and all(left[0].get(name) == wanted for name, wanted in fields.items()):
            del left[: len(types)]
            return True
        return False

    quotes = [take("Replace", pattern=pattern, content='"') for pattern in _QUOTES]
    accents = take("NFKD", "StripAccents")
    lowercase = take("Lowercase")
    charsmap = _decoded(left[0], path) if left and left[0].get("type") == "Precompiled" else b""
    if charsmap:
        del left[0]
    take("Replace", pattern=_SPACES, content=" ")
    if left or quotes[0] != quotes[1]:
        other = left[0].get("type") if left else "Replace"
        raise BadInput(
            f"{path}: normalizer {other!r} is not ALBERT's: only Replace of quotes, NFKD with StripAccents, Lowercase "
            "and Precompiled are read, in this order"
        )
    return UnigramOptions(lowercase=lowercase, strip_accents=accents, join_quotes=quotes[0]), charsmap


def _steps(value: object, path: Path) -> list[Table]:
    if value is None:
        return []
    part = cast(Table, value) if isinstance(value, dict) else {}
    given: object = part.get("normalizers") if part.get("type") == "Sequence" else [part]
    if not isinstance(given, list):
        raise BadInput(f"{path}: normalizer is no list of steps")
    return [cast(Table, step) if isinstance(step, dict) else {} for step in cast("list[object]", given)]


def _decoded(step: Table, path: Path) -> bytes:
    try:
        return base64.b64decode(str(step.get("precompiled_charsmap")), validate=True)
    except (binascii.Error, ValueError):
        raise BadInput(f"{path}: the normalization rules are no base64") from None


def write_steps(options: UnigramOptions, charsmap: bytes) -> Table:
    """The normalization as `tokenizers` writes it."""
    steps: list[Table] = []
    if options.join_quotes:
        steps += [{"type": "Replace", "pattern": pattern, "content": '"'} for pattern in _QUOTES]
    if options.strip_accents:
        steps += [{"type": "NFKD"}, {"type": "StripAccents"}]
    if options.lowercase:
        steps.append({"type": "Lowercase"})
    if charsmap:
        encoded = base64.b64encode(charsmap).decode()
        steps.append({"type": "Precompiled", "precompiled_charsmap": encoded})
    return {"type": "Sequence", "normalizers": steps}

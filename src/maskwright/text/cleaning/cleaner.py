"""The cleaning of one document: the steps that a config asks for, in a fixed order, each counted.

1. `mojibake` decodes again what was decoded wrongly, while the stray controls that give it away are still there.
2. `controls` drops what nobody sees, U+FFFD first.
3. `width` replaces full-width and half-width forms.
4. `unicode` composes, after the zero-width characters that kept letters and marks apart have gone.
5. `script` converts Chinese characters.
6. Lines go that are too short or too long, then those in another language.
7. Documents go that are too short or too long, then those in another language, then repetitive ones.

Duplicates are no matter of one document: see `duplicates` and `near_duplicates`.
"""

import unicodedata
from collections.abc import Callable, Sequence
from importlib import metadata
from itertools import compress
from typing import Annotated, Literal

from pydantic import Field, model_validator

from maskwright.config import Config
from maskwright.errors import BadInput
from maskwright.text.cleaning.changes import Change, Cleaned, removed, rewritten
from maskwright.text.cleaning.controls import without_controls, without_replacements
from maskwright.text.cleaning.language import TOO_SHORT, language_judge
from maskwright.text.cleaning.length import length_fault
from maskwright.text.cleaning.mojibake import repairer
from maskwright.text.cleaning.near_duplicates import BANDS, ROWS
from maskwright.text.cleaning.repetition import too_repetitive
from maskwright.text.cleaning.script import converter
from maskwright.text.cleaning.unicode import normalizer
from maskwright.text.cleaning.width import one_width
from maskwright.text.sentences import LANGUAGES

Size = Annotated[int, Field(ge=0)]


class CleaningConfig(Config):
    """What cleaning does; left alone, nothing."""

    mojibake: bool = False
    """Decode again what was decoded wrongly, such as "schÃ¶n" (ftfy)."""
    controls: bool = False
    """Drop control, format and private-use characters, as BERT's cleaning does, and U+FFFD."""
    width: Literal["none", "letters", "all"] = "none"
    """Full-width letters and digits to ASCII, half-width kana to ordinary ones; "all": ，and ！too."""
    unicode: Literal["none", "NFC", "NFKC"] = "none"
    """Unicode normalisation; NFKC replaces Chinese punctuation by ASCII marks too."""
    script: Literal["none", "simplified", "traditional"] = "none"
    """Chinese characters to convert to (OpenCC)."""
    language: Literal["none", "documents", "lines"] = "none"
    """Drop documents, or lines, that are in another language than the corpus (py3langid)."""
    min_line_characters: Size = 0
    """Drop shorter lines."""
    max_line_characters: Size | None = None
    """Drop longer lines."""
    min_characters: Size = 0
    """Drop documents of fewer characters, counted when their lines have been cleaned."""
    max_characters: Size | None = None
    """Drop documents of more characters."""
    repetition: bool = False
    """Drop documents that repeat themselves, by Gopher's rules."""
    duplicates: Literal["none", "exact", "near"] = "none"
    """Drop documents equal to an earlier one; "near": also those like one."""
    near_threshold: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Jaccard similarity of their n-grams from which two documents are near duplicates."""
    near_ngram: Annotated[int, Field(ge=1, le=64)] = 5
    """Words, in Chinese characters, in such an n-gram."""
    near_bands: Annotated[int, Field(ge=1, le=256)] = BANDS
    """Bands of a signature: documents that agree in one are compared."""
    near_rows: Annotated[int, Field(ge=1, le=64)] = ROWS
    """Hashes in a band; a document takes 4 bytes for each hash in each band."""

    @model_validator(mode="after")
    def _limits_leave_something(self) -> "CleaningConfig":
        for kind in ("line_characters", "characters"):
            least, most = getattr(self, f"min_{kind}"), getattr(self, f"max_{kind}")
            if most is not None and most < max(least, 1):
                raise ValueError(f"max_{kind} {most} with min_{kind} {least} drops everything")
        return self


class Cleaner:
    """Cleans documents of one language. Made once in each process; what travels is the config.

    >>> cleaner = Cleaner(CleaningConfig(controls=True, width="letters", min_line_characters=3), "zh")
    >>> cleaned = cleaner(["使用ＢＥＲＴ\u200b预测下一个词。", "嗯。"])
    >>> cleaned.lines, cleaned.dropped
    (('使用BERT预测下一个词。',), None)
    >>> [(change.step, change.count) for change in cleaned.changes]
    [('controls', 1), ('width', 4), ('line length', 2)]
    """

    def __init__(self, config: CleaningConfig, language: str) -> None:
        """Load what the steps need. Raises BadInput for another language and a library that is not installed."""
        if language not in LANGUAGES:
            raise BadInput(f"language {language!r} is not known: text is cleaned in {' and '.join(LANGUAGES)}")
        self._rewrites = _rewrites(config)
        self._sieves = _sieves(config, language)
        self._judges = _judges(config, language)

    def __call__(self, lines: Sequence[str]) -> Cleaned:
        """Clean one document, given by its paragraphs or sentences."""
        given = sum(map(len, lines))
        kept, changes = self._rewritten(lines)
        for step, stays in self._sieves:
            staying = [stays(line) for line in kept]
            if not all(staying):
                changes.append(removed(step, [line for line, stay in zip(kept, staying, strict=True) if not stay]))
                kept = list(compress(kept, staying))
        for step, fault in self._judges:
            if kept and (found := fault(kept)) is not None:
                changes.append(removed(step, kept))
                return Cleaned((), f"{step}: {found}", tuple(changes), given)
        nothing = None if kept else f"{changes[-1].step}: nothing is left" if changes else "empty: it holds no text"
        return Cleaned(tuple(kept), nothing, tuple(changes), given)

    def _rewritten(self, lines: Sequence[str]) -> tuple[list[str], list[Change]]:
        """The lines after the steps that rewrite text, which see a whole document at a time."""
        text = "\n".join(lines)
        changes: list[Change] = []
        for step, rewrite in self._rewrites:
            after = rewrite(text)
            if after != text:
                changes.append(rewritten(step, text, after))
                text = after
        if not changes:
            return [line for line in lines if line.strip()], changes
        return [line for line in (" ".join(line.split()) for line in text.split("\n")) if line], changes


def versions(config: CleaningConfig) -> dict[str, str]:
    """What else the outcome depends on: the libraries that the steps use, and their versions, for a manifest.

    >>> list(versions(CleaningConfig(unicode="NFC", script="simplified")))
    ['opencc', 'unicodedata']
    """
    used = {
        "ftfy": config.mojibake,
        "opencc": config.script != "none",
        "py3langid": config.language != "none",
    }
    found = {name: metadata.version(name) for name, is_used in used.items() if is_used}
    if config.repetition or {config.unicode, config.width, config.duplicates} != {"none"}:
        found["unicodedata"] = unicodedata.unidata_version
    return found


def _rewrites(config: CleaningConfig) -> list[tuple[str, Callable[[str], str]]]:
    """Steps that make text of text."""
    steps: list[tuple[str, Callable[[str], str]]] = []
    if config.mojibake:
        steps.append(("mojibake", repairer()))
    if config.controls:
        steps += [("replacement characters", without_replacements), ("controls", without_controls)]
    if config.width != "none":
        steps.append(("width", one_width(config.width)))
    if config.unicode != "none":
        steps.append(("unicode", normalizer(config.unicode)))
    if config.script != "none":
        steps.append(("script", converter(config.script)))
    return steps


def _sieves(config: CleaningConfig, language: str) -> list[tuple[str, Callable[[str], bool]]]:
    """Steps that say whether a line stays."""
    steps: list[tuple[str, Callable[[str], bool]]] = []
    least, most = config.min_line_characters, config.max_line_characters
    if least > 1 or most is not None:
        steps.append(("line length", lambda line: length_fault(len(line), least, most) is None))
    if config.language == "lines":
        judge = language_judge(language)
        steps.append(("line language", lambda line: len(line) < TOO_SHORT[language] or judge(line) is None))
    return steps


def _judges(config: CleaningConfig, language: str) -> list[tuple[str, Callable[[Sequence[str]], str | None]]]:
    """Steps that say what is wrong with a document, if something is."""
    steps: list[tuple[str, Callable[[Sequence[str]], str | None]]] = []
    least, most = config.min_characters, config.max_characters
    if least > 1 or most is not None:
        steps.append(("length", lambda lines: length_fault(sum(map(len, lines)), least, most)))
    if config.language == "documents":
        judge = language_judge(language)
        steps.append(("language", lambda lines: judge("\n".join(lines))))
    if config.repetition:
        steps.append(("repetition", lambda lines: too_repetitive(lines, language)))
    return steps

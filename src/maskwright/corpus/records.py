"""What the stages of a build leave each other in the work folder, as sealed JSON."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from maskwright.corpus.manifest import Dropped
from maskwright.corpus.writer import Finished
from maskwright.text.cleaning.account import Account
from maskwright.text.cleaning.cleaner import CleaningConfig


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(_Part):
    """What the stages are told.

    segmenter   who marks the words; None where the tokenizer's rules do
    dictionary  where more words for it lie
    languages   what the two sides of a parallel corpus are called; empty for any other
    """

    language: str
    seed: int
    shard_tokens: int
    segmenter: str | None
    dictionary: str | None
    cleaning: CleaningConfig
    languages: tuple[str, ...] = ()


class Plan(_Part):
    """plan.json; `units` is the sha256 of the file of that name."""

    arguments: dict[str, Any]
    state: list[Any]
    settings: Settings
    units: str


class ReadResult(_Part):
    """What the reading of a unit came to.

    spool    sha256 of the file with its documents
    account  what cleaning did
    empty    documents that hold no text: null in a table, a page that is a form
    """

    documents: int
    characters: int
    spool: str
    account: Account
    empty: Dropped = Dropped()


class EncodeResult(_Part):
    """The shards of a unit and what did not get into them, by split."""

    splits: dict[str, Finished]


class ChoiceRecord(_Part):
    """choice.json; `fates` is the sha256 of choice.bin."""

    bounds: list[int]
    fates: str

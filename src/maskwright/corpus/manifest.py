"""manifest.json of a corpus: what is in it, how it was made, what was dropped on the way."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from maskwright.errors import BadInput
from maskwright.text.cleaning.account import Account

FORMAT_VERSION = 2  # 1 had no text beside the tokens
MANIFEST = "manifest.json"
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ShardEntry(_Part):
    """One shard file."""

    file: Annotated[str, Field(pattern=r"^(train|held-out)-[0-9]{5,}-[0-9]{3,}\.arrow$")]
    size: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    documents: Count
    sentences: Count
    tokens: Count

    @property
    def split(self) -> str:
        """The split the shard belongs to."""
        return self.file.rsplit("-", 2)[0]


class SplitCounts(_Part):
    """What a split holds."""

    documents: Count = 0
    sentences: Count = 0
    tokens: Count = 0
    words: Count = 0
    characters: Count = 0
    unknown: Count = 0
    """Tokens that stand for what the vocabulary has not."""
    joined: Count = 0
    """Tokens that hold more than one word."""


class Dropped(_Part):
    """What did not get in, counted, with the first few examples of each."""

    count: Count = 0
    characters: Count = 0
    examples: tuple[str, ...] = ()


class TokenizerEntry(_Part):
    """Which tokenizer made the ids; its files lie in the folder `tokenizer`."""

    fingerprint: str
    vocab_size: Count
    kind: str = "wordpiece"
    trained: dict[str, Any] | None = None
    """How its vocabulary was trained in the same call, or None when it was given."""


class Manifest(_Part):
    """The whole file."""

    format: Literal["maskwright corpus"] = "maskwright corpus"
    format_version: int = FORMAT_VERSION
    fingerprint: str
    """sha256 over the contents alone: tokenizer, splits and shards; two equal corpora have equal ones."""
    language: str
    languages: tuple[str, ...] = ()
    """What the two sides of a parallel corpus are called: sentence 2i of each document is in the first language, and
    2i + 1 its translation into the second. Empty for any other corpus."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """What was asked for, so that the same command is recognised."""
    text: str = ""
    """Digest of all documents in order."""
    inputs: str = ""
    """Digest of the inputs' names, sizes and times of change: when it differs, the text is read to compare."""
    tokenizer: TokenizerEntry
    words: str | None = None
    """What set the word boundaries: "pre-tokenizer", a segmenter with its version, or None: no words."""
    unidata_version: str = ""
    splits: dict[Literal["train", "held-out"], SplitCounts]
    duplicates: int | None = None
    """Documents whose text stood before. They are kept; equal ones are in the same split. None: too many to tell."""
    cleaning: Account = Account()
    """What came in, what each step of cleaning did, and what was left of it."""
    libraries: dict[str, str] = Field(default_factory=dict)
    """The versions of those that cleaning used."""
    dropped: dict[str, Dropped] = Field(default_factory=dict)
    """What was lost on the way to tokens."""
    unknown_examples: tuple[str, ...] = ()
    """The first words that became [UNK]."""
    shards: tuple[ShardEntry, ...]

    def check(self) -> None:
        """Raise ValueError when the counts contradict each other."""
        for split, counts in self.splits.items():
            shards = [shard for shard in self.shards if shard.split == split]
            if sum(shard.tokens for shard in shards) != counts.tokens:
                raise ValueError(f"the shards of {split} do not add up to {counts.tokens} tokens")
        if self.languages and (odd := next((shard for shard in self.shards if shard.sentences % 2), None)):
            raise ValueError(f"{odd.file} has {odd.sentences} sentences, an odd number, and they stand in pairs")
        known = content_fingerprint(self.tokenizer.fingerprint, self.words, self.shards, self.languages)
        if self.fingerprint != known:
            raise ValueError("the fingerprint is not that of what is listed")


def content_fingerprint(
    tokenizer: str, words: str | None, shards: tuple[ShardEntry, ...], languages: tuple[str, ...] = ()
) -> str:
    """One name for what a corpus contains, whatever its path, age, or number of workers."""
    content: list[Any] = [FORMAT_VERSION, tokenizer, words, [[shard.file, shard.sha256] for shard in shards]]
    if languages:  # others keep the name they had before there were parallel ones
        content.append(list(languages))
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def manifest_bytes(manifest: Manifest) -> bytes:
    """The file."""
    return sealed(manifest.model_dump(mode="json"))


def sealed(data: Mapping[str, Any]) -> bytes:
    """`data` as JSON whose last entry, "sha256", is that of the rest, so that any flipped bit is found."""
    body = _json(data)
    return _json({**data, "sha256": hashlib.sha256(body).hexdigest()})


def unsealed(raw: bytes) -> dict[str, Any]:
    """What `sealed` made `raw` of. Raises ValueError for anything that it did not make.

    >>> unsealed(sealed({"tokens": 3}))
    {'tokens': 3}
    >>> unsealed(sealed({"tokens": 3}).replace(b"3", b"7"))
    Traceback (most recent call last):
        ...
    ValueError: its checksum does not match, it is damaged or was edited
    """
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no readable JSON ({error})") from None
    body = {key: value for key, value in data.items() if key != "sha256"} if isinstance(data, dict) else {}  # pyright: ignore[reportUnknownVariableType]
    if raw != sealed(body):  # pyright: ignore[reportUnknownArgumentType]
        raise ValueError("its checksum does not match, it is damaged or was edited")
    return body  # pyright: ignore[reportUnknownVariableType]


def _json(data: Mapping[str, Any]) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def read_manifest(folder: Path) -> Manifest:
    """Read and check manifest.json of a corpus. Raises BadInput in one line."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder: make a corpus with `maskwright corpus INPUT --out {folder}`")
    if not path.is_file():
        raise BadInput(f"{folder} is no corpus, it has no {MANIFEST}: `maskwright corpus INPUT --out DIR` makes one")
    data = path.read_bytes()
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is no readable JSON ({error}): restore it or build the corpus again") from None
    if not isinstance(raw, dict) or raw.get("format") != "maskwright corpus":  # pyright: ignore[reportUnknownMemberType]
        raise BadInput(f"{path} is not the manifest of a maskwright corpus: name a folder that `corpus` made")
    version: Any = raw.get("format_version")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if version != FORMAT_VERSION:
        raise BadInput(f"{path} has format version {version}, this is {FORMAT_VERSION}: build the corpus again")
    try:
        manifest = Manifest.model_validate(unsealed(data))
        manifest.check()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{path}: {where}: {first['msg']}: restore it or build the corpus again") from None
    except ValueError as error:
        raise BadInput(f"{path}: {error}: restore it or build the corpus again") from None
    return manifest

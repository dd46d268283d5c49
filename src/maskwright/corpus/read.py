"""Reading a corpus: a folder of memory-mapped shards, a row of tokens for each split (`corpus.split`).

Opening reads the manifest and the shards' footers, never their data.
"""

from functools import cached_property
from pathlib import Path
from typing import Literal

from maskwright.corpus.manifest import Manifest, ShardEntry, read_manifest
from maskwright.corpus.shards import Shard, damaged, open_shard
from maskwright.corpus.split import Split
from maskwright.errors import BadInput
from maskwright.manifest import sha256
from maskwright.progress import Progress, silent
from maskwright.tokenizers.loading import load_tokenizer
from maskwright.tokenizers.tokenizer import Tokenizer

__all__ = ["Corpus", "Split", "Verify"]

Verify = Literal["sizes", "checksums"]
QUICK = 100_000_000  # bytes; their checksums take a fraction of a second, which needs no bar


class Corpus:
    """A corpus folder: `train` and `held_out` splits, the tokenizer that made them, the manifest."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    @staticmethod
    def open(path: str | Path, verify: Verify = "sizes") -> "Corpus":
        """Open the corpus in folder `path`.

        verify  "sizes" compares the size of each shard with the manifest and finds truncated ones;
                "checksums" reads them all and finds a flipped bit.
        Raises BadInput, naming the file, for a shard that is missing or not as it was written.
        """
        corpus = Corpus(Path(path), read_manifest(Path(path)))
        corpus.check(checksums=verify == "checksums")
        return corpus

    def check(self, *, checksums: bool, progress: Progress = silent) -> None:
        """Compare sizes, and checksums if asked for, with the manifest. A large corpus's checksums have a bar."""
        for entry in self.manifest.shards:
            file = self.path / entry.file
            if not file.is_file():
                raise BadInput(f"{file} is missing: the corpus is incomplete; restore the file or build it again")
            if (size := file.stat().st_size) != entry.size:
                raise damaged(file, f"has {size} bytes, the manifest says {entry.size}")
        if checksums:
            total = sum(entry.size for entry in self.manifest.shards)
            with (progress if total > QUICK else silent).stage("Comparing checksums", total, "bytes") as stage:
                for entry in self.manifest.shards:
                    self.check_sum(entry)
                    stage.advance(entry.size)

    def check_sum(self, entry: ShardEntry) -> None:
        """Compare the checksum of one shard with the manifest."""
        if sha256(self.path / entry.file) != entry.sha256:
            raise damaged(self.path / entry.file, "does not match its sha256 in the manifest")

    @property
    def fingerprint(self) -> str:
        """sha256 over the contents; equal corpora have equal ones wherever they lie."""
        return self.manifest.fingerprint

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer that made the ids."""
        tokenizer = load_tokenizer(self.path / "tokenizer")
        if tokenizer.fingerprint != self.manifest.tokenizer.fingerprint:
            raise BadInput(
                f"{self.path / 'tokenizer'} is not the tokenizer that made this corpus "
                f"({tokenizer.fingerprint[:12]}, the manifest says {self.manifest.tokenizer.fingerprint[:12]}): "
                "restore it or build the corpus again"
            )
        return tokenizer

    @cached_property
    def train(self) -> Split:
        """What to train on."""
        return self._split("train")

    @cached_property
    def held_out(self) -> Split:
        """What to judge by; no document of it is in `train`."""
        return self._split("held-out")

    def _split(self, name: str) -> Split:
        shards: list[Shard] = []
        for entry in self.manifest.shards:
            if entry.split != name:
                continue
            shard = open_shard(self.path / entry.file)
            found = len(shard.document_offsets) - 1, len(shard.sentence_offsets) - 1, len(shard.token_ids)
            if found != (entry.documents, entry.sentences, entry.tokens):
                raise damaged(shard.file, "does not hold what the manifest counts")
            shards.append(shard)
        return Split(shards)

"""Making a corpus: text in, tokenised shards out, in memory that does not grow with the text.

The inputs are read one after the other, twice: once to count and to choose what is held out, once
to be encoded; and once between the two where a vocabulary is trained. What has to be done in order
is done here: finding where documents begin and end. Their sentences are found, hashed and encoded
in workers. The result is the same for any number of workers and however often the work was
interrupted: what lands in which shard depends on the documents alone.
"""

import json
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from maskwright.corpus.encode import EXAMPLES, Encode
from maskwright.corpus.manifest import Dropped, Manifest, SplitCounts, TokenizerEntry, content_fingerprint
from maskwright.corpus.read import Corpus
from maskwright.corpus.sources import Source, TextFiles
from maskwright.corpus.survey import FindSentences, Survey, changed, survey, with_rows
from maskwright.corpus.work import WorkFolder, check_out, work_folder
from maskwright.corpus.workers import Workers
from maskwright.corpus.writer import Finished, ShardWriter, added
from maskwright.draws import key
from maskwright.durable import staged_folder
from maskwright.errors import BadInput
from maskwright.progress import Progress, silent
from maskwright.text.readers import RawDocument, Shape
from maskwright.text.words import CharacterSegmenter, find_segmenter
from maskwright.tokenizers.wordpiece import WordPiece

CHARACTERS = CharacterSegmenter.name
SHARD_TOKENS = 2**24
VOCABULARY_CHARACTERS = 2**25  # of training text that a vocabulary is trained on, at most
SPLITS: tuple[Literal["train", "held-out"], ...] = ("train", "held-out")


def build_corpus(
    inputs: Sequence[str | Path] | Source,
    out: str | Path,
    *,
    language: Literal["en", "zh"] = "en",
    shape: Shape | Literal["auto"] = "auto",
    tokenizer: str | Path | WordPiece | None = None,
    vocab_size: int = 8000,
    lowercase: bool = True,
    held_out: float = 0.05,
    segmenter: str = "auto",
    workers: int = 1,
    seed: int = 0,
    shard_tokens: int = SHARD_TOKENS,
    progress: Progress = silent,
) -> Corpus:
    """Make the corpus `out` and open it; when it is there already, made by the same arguments, just open it.

    inputs      files, folders, pipes, "-" for the standard input; or another source, such as a `SampleText`
    tokenizer   a tokenizer or where one lies; None trains one of `vocab_size` on the training documents
    held_out    share of the documents kept aside, chosen by their content and `seed`
    segmenter   for Chinese: "rjieba", "characters" (no words), or "auto", rjieba where it is installed
    workers     processes at work; with more than one, call this under `if __name__ == "__main__":`
    Raises BadInput for inputs that cannot be read and for an `out` that holds something else. A
    call that was interrupted goes on where it stopped when it is made again.
    """
    if shard_tokens < 1 or shard_tokens > 2**30:
        raise BadInput(f"shard_tokens is {shard_tokens}: give a number from 1 to {2**30}")
    out = Path(out).absolute()
    source = TextFiles(inputs, language=language, shape=shape) if isinstance(inputs, Sequence) else inputs
    given = WordPiece.load(tokenizer) if isinstance(tokenizer, str | Path) else tokenizer
    words = _segmenter_name(source.language, segmenter)
    settings = {
        "language": source.language,
        "tokenizer": given.fingerprint if given else None,
        "vocab_size": None if given else vocab_size,
        "lowercase": None if given else lowercase,
        "held_out": held_out,
        "words": words,
        "seed": seed,
        "shard_tokens": shard_tokens,
    }
    with Workers(workers) as pool:
        if source.repeatable and _is_there(source, out, {**source.identity(), **settings}, pool, progress):
            return Corpus.open(out)
        with work_folder(out) as work:
            source.prepare(work.path)
            arguments = {**source.identity(), **settings}
            if not _is_there(source, out, arguments, pool, progress):
                _Build(source, work, arguments, pool, progress).run(given)
    return Corpus.open(out)


def _is_there(source: Source, out: Path, arguments: dict[str, Any], workers: Workers, progress: Progress) -> bool:
    """Whether `out` is the corpus asked for. Inputs that look otherwise than when it was made are read to find out."""
    manifest = check_out(out, arguments)
    if manifest is None:
        return False
    if manifest.inputs != _digest(source.state()):
        held_out, seed = arguments["held_out"], arguments["seed"]
        found = survey(source, held_out=held_out, seed=seed, workers=workers, progress=progress)
        if found.digest != manifest.text:
            raise BadInput(f"{out} was made from another text than now stands there: give another folder, or remove it")
    progress.say(f"{out} is finished already: the same text and arguments made it")
    return True


def _digest(state: list[Any]) -> str:
    return f"{key(0, json.dumps(state)):032x}"


def _segmenter_name(language: str, segmenter: str) -> str | None:
    """The segmenter that will be at work, with its version; None where words come from the pre-tokenizer."""
    if language != "zh":
        return None
    found = find_segmenter(segmenter)
    return f"{found.name} {found.version}".strip()


def _at_work(words: str | None) -> str | None:
    """Who marks the words; None where they are marked already: by the pre-tokenizer, or each character a word."""
    return None if words in (None, CHARACTERS) else words.split()[0]


class _Build:
    """One call of `build_corpus` at work in its folder."""

    def __init__(
        self, source: Source, work: WorkFolder, arguments: dict[str, Any], workers: Workers, progress: Progress
    ) -> None:
        self.source, self.work, self.arguments = source, work, arguments
        self.workers, self.progress = workers, progress
        self.state = source.state()

    def run(self, given: WordPiece | None) -> None:
        """From the first reading, or from where an earlier call stopped, to the finished folder."""
        if self.work.publish_if_complete(self.arguments, _digest(self.state)):
            return
        found = self.work.begin(self.arguments, self.state)
        if found is None:
            for line in self.source.describe():
                self.progress.say(line)
            held_out, seed = self.arguments["held_out"], self.arguments["seed"]
            table = self.work.table
            found = survey(
                self.source, held_out=held_out, seed=seed, workers=self.workers, progress=self.progress, table=table
            )
            self.work.plan(self.arguments, self.state, found)
        else:
            self.progress.say(f"Going on with the corpus begun in {self.work.path}")
        self.work.mend_journal()
        tokenizer = self._tokenizer(given, found)
        self._encode(found)
        if self.source.state() != self.state:
            raise changed()
        self.work.publish(self._manifest(tokenizer, found))

    def _tokenizer(self, given: WordPiece | None, found: Survey) -> WordPiece:
        """The tokenizer, in the work folder; trained when none is given and none lies there."""
        if self.work.tokenizer.exists():
            return WordPiece.load(self.work.tokenizer)
        if given is None:
            with self.progress.stage("Training the vocabulary", None, "characters") as stage:
                sampled = ((None, raw) for raw in self._sampled(found))
                parts = self.workers.map(FindSentences(self.source.language), sampled)
                text = [sentence for _, sentences in parts for sentence in sentences]
                stage.advance(sum(map(len, text)))
                size, lowercase = self.arguments["vocab_size"], self.arguments["lowercase"]
                given = WordPiece.train(text, size, lowercase=lowercase)
        with staged_folder(self.work.tokenizer) as folder:
            given.save_into(folder)
        return given

    def _sampled(self, found: Survey) -> Iterator[RawDocument]:
        """Training documents to train a vocabulary on: all, or of much text a part, chosen by content."""
        share = min(1.0, VOCABULARY_CHARACTERS / found.characters)
        room = 2 * VOCABULARY_CHARACTERS
        for raw, row in with_rows(self.source, self.work.table):
            if row.side > found.cut and row.place < share * 2**64 and room > 0:
                room -= row.characters
                yield raw

    def _encode(self, found: Survey) -> None:
        done = self.work.finished()
        through = {split: max((part.through for part in done if part.split == split), default=0) for split in SPLITS}
        writers = {
            split: ShardWriter(
                self.work.path,
                split,
                number=sum(part.split == split and part.shard is not None for part in done),
                through=through[split],
                size=self.arguments["shard_tokens"],
                finished=self.work.record,
            )
            for split in SPLITS
        }
        task = Encode(self.work.tokenizer, _at_work(self.arguments["words"]), self.source.language)
        with self.progress.stage("Encoding", found.characters, "characters") as stage:

            def remaining() -> Iterator[tuple[str, RawDocument]]:
                seen: dict[str, int] = dict.fromkeys(SPLITS, 0)
                for raw, row in with_rows(self.source, self.work.table):
                    split = "held-out" if row.side <= found.cut else "train"
                    seen[split] += 1
                    if seen[split] > through[split]:
                        yield split, raw
                    else:
                        stage.advance(row.characters)

            for split, chunk in self.workers.map(task, remaining()):
                writers[split].add(chunk)
                stage.advance(int(chunk.statistics[:, 3].sum()) + sum(loss.characters for loss in chunk.losses))
        for split in SPLITS:
            writers[split].close()

    def _manifest(self, tokenizer: WordPiece, found: Survey) -> Manifest:
        done = sorted(self.work.finished(), key=lambda part: (SPLITS.index(part.split), part.through))  # pyright: ignore[reportArgumentType]
        shards = tuple(part.shard for part in done if part.shard is not None)
        if not any(shard.split == "train" for shard in shards):
            raise BadInput(f"no sentence of the inputs has a token ({found.characters} characters): give other text")
        dropped: dict[str, Dropped] = {}
        for part in done:
            dropped = added(dropped, part.dropped)
        words = self.arguments["words"] or "pre-tokenizer"
        words = None if words == CHARACTERS else words
        trained = self.arguments["tokenizer"] is None
        return Manifest(
            fingerprint=content_fingerprint(tokenizer.fingerprint, words, shards),
            language=self.source.language,
            arguments=self.arguments,
            text=found.digest,
            inputs=_digest(self.state),
            tokenizer=TokenizerEntry(
                fingerprint=tokenizer.fingerprint,
                vocab_size=tokenizer.vocab_size,
                trained=self._training(found) if trained else None,
            ),
            words=words,
            unidata_version=unicodedata.unidata_version,
            splits={split: _counted(done, split) for split in SPLITS},
            duplicates=found.duplicates,
            dropped=dict(sorted(dropped.items())),
            unknown_examples=tuple(dict.fromkeys(word for part in done for word in part.unknown_examples))[:EXAMPLES],
            shards=shards,
        )

    def _training(self, found: Survey) -> dict[str, Any]:
        share = min(1.0, VOCABULARY_CHARACTERS / found.characters)
        return {"vocab_size": self.arguments["vocab_size"], "share_of_training_documents": round(share, 6)}


def _counted(done: list[Finished], split: str) -> SplitCounts:
    parts = [part.counts for part in done if part.split == split]
    return SplitCounts(**{name: sum(getattr(part, name) for part in parts) for name in SplitCounts.model_fields})

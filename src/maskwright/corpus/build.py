"""Making a corpus: text in, tokenised shards out, in memory that does not grow with the text.

    units     the input, cut into parts of about as much text (`sources`)
    reading   each unit: decoded, cleaned, its sentences found, hashed     -> read/KEY.arrow      in workers
    choice    of all documents: what is held out, what stays out           -> choice.bin          here
    training  of a vocabulary, unless one is given                         -> tokenizer/          here
    encoding  each unit: tokens, words                                     -> train-*.arrow ...   in workers
    manifest  what is in it, and what was dropped                          -> manifest.json       here

What a unit becomes depends on its text and on the choice, never on who works on it. So the result is the same, byte
for byte, for any number of workers, on any engine, and however often the work was interrupted.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from maskwright.corpus.card import card
from maskwright.corpus.choice import TRAIN, Chosen, choose
from maskwright.corpus.engines import Engine, EngineName, open_engine, run_stage
from maskwright.corpus.manifest import (
    FORMAT_VERSION,
)
from maskwright.corpus.read import Corpus
from maskwright.corpus.records import Settings
from maskwright.corpus.sources import Source, TextFiles
from maskwright.corpus.spool import read_batches, read_facts, texts
from maskwright.corpus.stages import Encode, Read
from maskwright.corpus.summary import nothing_left, summary, vocabulary_share
from maskwright.corpus.work import WorkFolder, check_out, digest_of, work_folder
from maskwright.durable import staged_folder
from maskwright.errors import BadInput
from maskwright.progress import Progress, silent
from maskwright.text.cleaning.cleaner import Cleaner, CleaningConfig
from maskwright.text.shapes import Shape
from maskwright.text.words import CharacterSegmenter, find_segmenter
from maskwright.tokenizers.loading import load_tokenizer, train
from maskwright.tokenizers.tokenizer import Kind, Tokenizer

CHARACTERS = CharacterSegmenter.name
SHARD_TOKENS = 2**24


def build_corpus(
    inputs: Sequence[str | Path] | Source,
    out: str | Path,
    *,
    language: Literal["en", "zh"] = "en",
    shape: Shape | Literal["auto"] = "auto",
    column: str = "text",
    tokenizer: str | Path | Tokenizer | None = None,
    kind: Kind = "wordpiece",
    vocab_size: int = 8000,
    lowercase: bool | None = None,
    held_out: float = 0.05,
    segmenter: str = "auto",
    dictionary: str | Path | None = None,
    workers: int = 1,
    engine: EngineName = "local",
    engine_settings: dict[str, Any] | None = None,
    cleaning: CleaningConfig | None = None,
    seed: int = 0,
    shard_tokens: int = SHARD_TOKENS,
    progress: Progress = silent,
) -> Corpus:
    """Make the corpus `out` and open it; when it is there already, made by the same arguments, just open it.

    inputs      files, folders, archives, URLs, pipes, "-" for the standard input; or another source, such as a
                `SampleText`, or `ParallelText`, which makes a parallel corpus
    column      where tables and rows of JSON have their text
    tokenizer   a tokenizer or where one lies; None trains one of that `kind` and `vocab_size` on the training documents
    held_out    share of the documents kept aside, chosen by their content and `seed`
    segmenter   for Chinese: "rjieba", "characters" (no words), "auto", which is rjieba where it is installed, or
                "module:attribute", anything there that maps a string to spans
    dictionary  more words for rjieba, a line each
    workers     tasks at work at a time; with more than one, call this under `if __name__ == "__main__":`
    engine      where they work: local, ray or slurm
    cleaning    what is done to each document first; None: nothing
    Raises BadInput for inputs that cannot be read and for an `out` that holds something else. A
    call that was interrupted goes on where it stopped when it is made again.
    """
    if shard_tokens < 1 or shard_tokens > 2**30:
        raise BadInput(f"shard_tokens is {shard_tokens}: give a number from 1 to {2**30}")
    if not 0 <= held_out < 1:
        raise BadInput(f"held-out share {held_out} is outside 0 to 1: give the share of documents to keep aside")
    out = Path(out).absolute()
    source = (
        TextFiles(inputs, language=language, shape=shape, column=column) if isinstance(inputs, Sequence) else inputs
    )
    given = load_tokenizer(tokenizer) if isinstance(tokenizer, str | Path) else tokenizer
    words = _words(source.language, segmenter, dictionary)
    cleaning = cleaning or CleaningConfig()
    if source.languages and cleaning != CleaningConfig():
        raise BadInput("cleaning could part the two sides of a pair: clean both before, or leave --clean away")
    Cleaner(cleaning, source.language)  # what it needs is there, or the error comes before any work
    arguments = {
        "language": source.language,
        "tokenizer": given.fingerprint if given else None,
        "kind": given.kind if given else kind,
        "vocab_size": None if given else vocab_size,
        "lowercase": None if given else lowercase,
        "held_out": held_out,
        "words": words,
        "seed": seed,
        "shard_tokens": shard_tokens,
        "cleaning": _asked(cleaning),
    }
    settings = Settings(
        language=source.language,
        seed=seed,
        shard_tokens=shard_tokens,
        segmenter=None if words in (None, CHARACTERS) else segmenter,
        dictionary=None if dictionary is None else str(Path(dictionary).absolute()),
        cleaning=cleaning,
        languages=source.languages,
    )
    with open_engine(engine, workers, **(engine_settings or {})) as at_work:
        if source.repeatable and _is_there(source, out, {**source.identity(), **arguments}, progress):
            return Corpus.open(out)
        with work_folder(out) as work:
            source.prepare(work.path)
            build = _Build(source, work, {**source.identity(), **arguments}, settings, at_work, progress)
            build.run(given, out)
    return Corpus.open(out)


def _is_there(source: Source, out: Path, arguments: dict[str, Any], progress: Progress) -> bool:
    """Whether `out` is the corpus asked for, made of inputs that look as they do now."""
    manifest = check_out(out, arguments)
    if manifest is None or manifest.inputs != digest_of(source.state()):
        return False
    _say_finished(out, progress)
    return True


def _say_finished(out: Path, progress: Progress) -> None:
    progress.say(f"{out} is finished already: the same text and arguments made it")


def _words(language: str, segmenter: str, dictionary: str | Path | None) -> str | None:
    """Who marks the words: the segmenter, its version and its dictionary; None where the tokenizer's rules do."""
    if language != "zh" and segmenter == "auto" and dictionary is None:
        return None
    found = find_segmenter(segmenter, dictionary)
    return " ".join(filter(None, (found.name, found.version, found.dictionary[:16])))


class _Build:
    """One call of `build_corpus` at work in its folder."""

    def __init__(
        self,
        source: Source,
        work: WorkFolder,
        arguments: dict[str, Any],
        settings: Settings,
        engine: Engine,
        progress: Progress,
    ) -> None:
        self.source, self.work, self.arguments, self.settings = source, work, arguments, settings
        self.engine, self.progress = engine, progress
        self.state = source.state()

    def run(self, given: Tokenizer | None, out: Path) -> None:
        """From the first reading, or from where an earlier call stopped, to the finished folder."""
        made = check_out(out, self.arguments)
        if made is None and self.work.publish_if_complete(self.arguments, digest_of(self.state), out):
            return
        chosen = self._read()
        if made is not None:
            if chosen.digest != made.text:
                raise BadInput(
                    f"{out} was made from another text than now stands there: give another folder, or remove it"
                )
            _say_finished(out, self.progress)
            return
        tokenizer = self._tokenizer(given, chosen)
        self.work.write_choice(chosen)
        run_stage(Encode(self.work.path), self.engine, self.progress)
        if self.source.state() != self.state:
            raise BadInput(
                "the inputs were changed while they were read: give the same command again when they are at rest"
            )
        manifest = summary(self.work, chosen, tokenizer)
        self.work.publish(manifest, card(manifest), out)

    def _read(self) -> Chosen:
        """All units read, now or before, and what becomes of each document."""
        arguments = self.arguments
        if self.work.begin(arguments, self.state):
            self.progress.say(f"Going on with the corpus begun in {self.work.path}")
        else:
            for line in self.source.describe():
                self.progress.say(line)
            salt = repr((FORMAT_VERSION, self.source.language, arguments["seed"], arguments["cleaning"]))
            self.work.write_plan(arguments, self.state, self.settings, self.source.units(salt))
        run_stage(Read(self.work.path), self.engine, self.progress)
        spools = [self.work.spool(unit) for unit in self.work.units]
        chosen = choose(spools, held_out=arguments["held_out"], cleaning=self.settings.cleaning)
        if not len(chosen.fates):
            raise nothing_left(self.work)
        return chosen

    def _tokenizer(self, given: Tokenizer | None, chosen: Chosen) -> Tokenizer:
        """The tokenizer, in the work folder; trained when none is given and none lies there."""
        if self.work.tokenizer.exists():
            return load_tokenizer(self.work.tokenizer)
        if given is None:
            with self.progress.stage("Training the vocabulary", None, "characters") as stage:
                text = [sentence for sentences in self._sampled(chosen) for sentence in sentences]
                stage.advance(sum(map(len, text)))
                asked, settings = self.arguments, self.settings
                segmenter = find_segmenter(settings.segmenter, settings.dictionary) if settings.segmenter else None
                given = train(
                    asked["kind"], text, asked["vocab_size"], lowercase=asked["lowercase"], segmenter=segmenter
                )
        with staged_folder(self.work.tokenizer) as folder:
            given.save_into(folder)
        return given

    def _sampled(self, chosen: Chosen) -> Iterator[tuple[str, ...]]:
        """Training documents to train a vocabulary on: all, or of much text a part, chosen by content."""
        share_of_text = vocabulary_share(chosen)
        share = np.uint64(min(share_of_text * 2**64, 2**64 - 1))
        room = 2 * share_of_text * chosen.characters
        for number, unit in enumerate(self.work.units):
            spool = self.work.spool(unit)
            facts = read_facts(spool)
            fates = chosen.fates[slice(*chosen.bounds[number : number + 2])]
            wanted = (fates == TRAIN) & (facts.place <= share)
            for first, batch in read_batches(spool):
                rows = np.flatnonzero(wanted[first : first + batch.num_rows])
                for row, (sentences, _) in zip(rows.tolist(), texts(batch, rows.tolist()), strict=True):
                    if room > 0:
                        room -= int(facts.characters[first + row])
                        yield sentences


def _asked(cleaning: CleaningConfig) -> dict[str, Any]:
    """What of cleaning is not as it is when left alone."""
    return cleaning.model_dump(mode="json", exclude_defaults=True)

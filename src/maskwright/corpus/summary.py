"""What a build came to: the manifest, from the accounts that its stages left in the work folder."""

import unicodedata
from collections.abc import Iterator

import numpy as np

from maskwright.corpus.choice import DUPLICATE, NEAR_DUPLICATE, SPLITS, Chosen
from maskwright.corpus.encode import EXAMPLES
from maskwright.corpus.manifest import Dropped, Manifest, SplitCounts, TokenizerEntry, content_fingerprint
from maskwright.corpus.spool import read_batches, read_facts, texts
from maskwright.corpus.work import WorkFolder, digest_of
from maskwright.corpus.writer import Finished, added
from maskwright.errors import BadInput
from maskwright.text.cleaning.account import Account
from maskwright.text.cleaning.cleaner import versions
from maskwright.text.words import CharacterSegmenter
from maskwright.tokenizers.tokenizer import Tokenizer

VOCABULARY_CHARACTERS = 2**25  # of training text that a vocabulary is trained on, at most
_SHOWN = 60  # characters of a document that stayed out


def summary(work: WorkFolder, chosen: Chosen, tokenizer: Tokenizer) -> Manifest:
    """The manifest of a build whose units are all encoded. BadInput when there is nothing to train on."""
    plan = work.plan
    results = [work.encode_result(number).splits for number in range(len(work.units))]
    parts = {split: [result[split] for result in results] for split in SPLITS}
    if not any(part.shards for part in parts["train"]):
        raise BadInput(f"no sentence of the inputs has a token ({chosen.characters} characters): give other text")
    everything = [part for split in SPLITS for part in parts[split]]
    shards = tuple(shard for part in everything for shard in part.shards)
    dropped: dict[str, Dropped] = {}
    for unit in work.units:
        dropped = added(dropped, unit.dropped)
        if (empty := work.read_result(unit).empty).count:
            dropped = added(dropped, {"documents without text": empty})
    for part in everything:
        dropped = added(dropped, part.dropped)
    words = plan.arguments["words"] or "pre-tokenizer"
    words = None if words == CharacterSegmenter.name else words
    trained = {
        "vocab_size": plan.arguments["vocab_size"],
        "share_of_training_documents": round(vocabulary_share(chosen), 6),
    }
    unknown = dict.fromkeys(word for part in everything for word in part.unknown_examples)
    return Manifest(
        fingerprint=content_fingerprint(tokenizer.fingerprint, words, shards, plan.settings.languages),
        language=plan.settings.language,
        languages=plan.settings.languages,
        arguments=plan.arguments,
        text=chosen.digest,
        inputs=digest_of(plan.state),
        tokenizer=TokenizerEntry(
            fingerprint=tokenizer.fingerprint,
            vocab_size=tokenizer.vocab_size,
            kind=tokenizer.kind,
            trained=trained if plan.arguments["tokenizer"] is None else None,
        ),
        words=words,
        unidata_version=unicodedata.unidata_version,
        splits={split: _counted(parts[split]) for split in SPLITS},
        duplicates=chosen.duplicates,
        cleaning=_account(work, chosen),
        libraries=versions(plan.settings.cleaning),
        dropped=dict(sorted(dropped.items())),
        unknown_examples=tuple(unknown)[:EXAMPLES],
        shards=shards,
    )


def nothing_left(work: WorkFolder) -> BadInput:
    """The error for units that hold no document, or none that cleaning left."""
    account = cleaned(work)
    if not account.documents:
        return BadInput("there is no document in the inputs: give text that holds one")
    most, lost = max(account.steps.items(), key=lambda step: step[1].dropped_documents)
    return BadInput(
        f"cleaning left none of {account.documents:,} documents; most went by {most} "
        f"({lost.dropped_documents:,}, such as {lost.examples[0]}): ask for less of it"
    )


def vocabulary_share(chosen: Chosen) -> float:
    """The share of the training documents that a vocabulary is trained on."""
    return min(1.0, VOCABULARY_CHARACTERS / max(chosen.characters, 1))


def cleaned(work: WorkFolder) -> Account:
    """What cleaning did to the documents of all units, one by one."""
    return sum((work.read_result(unit).account for unit in work.units), Account())


def _account(work: WorkFolder, chosen: Chosen) -> Account:
    """The same, and what stayed out because it stood before."""
    account = cleaned(work)
    for step, fate in (("exact duplicates", DUPLICATE), ("near duplicates", NEAR_DUPLICATE)):
        account = account.without(step, _stayed_out(work, chosen, fate))
    return account


def _stayed_out(work: WorkFolder, chosen: Chosen, fate: int) -> Iterator[tuple[int, str]]:
    """(characters, example) of each document of that fate, in order; the text of the first few alone is read."""
    shown = 0
    for number, unit in enumerate(work.units):
        fates = chosen.fates[slice(*chosen.bounds[number : number + 2])]
        if not (fates == fate).any():
            continue
        spool = work.spool(unit)
        sizes = read_facts(spool).characters
        for first, batch in read_batches(spool):
            rows = np.flatnonzero(fates[first : first + batch.num_rows] == fate).tolist()
            examples = texts(batch, rows[: max(0, EXAMPLES - shown)])
            shown += len(examples)
            for place, row in enumerate(rows):
                example = f"{examples[place][1]}: {examples[place][0][0][:_SHOWN]!r}" if place < len(examples) else ""
                yield int(sizes[first + row]), example


def _counted(parts: list[Finished]) -> SplitCounts:
    return SplitCounts(**{name: sum(getattr(part.counts, name) for part in parts) for name in SplitCounts.model_fields})

"""A WordPiece vocabulary from text, the same on every run and machine.

The trainer is that of `tokenizers`. Left to itself it gives another vocabulary in each process, in
its order and in its rarest tokens: pieces like `##a` get their ids in the order of a randomly seeded hash map,
and ties between pairs are broken by id. Here a first pass, which makes no merges, finds those pieces;
the second gets them in sorted order in front of everything else, so that no id is left to chance.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from maskwright.errors import BadInput
from maskwright.text.characters import IDEOGRAPH_CLASS, are_ideographs
from maskwright.tokenizers.files import SPECIAL_TOKENS, WordPieceOptions

_IDEOGRAPHS = re.compile(f"[{IDEOGRAPH_CLASS}]+")
_CHUNK = 2**20  # characters normalised at a time: `tokenizers` takes some 40 bytes for each


def new_tokenizer(model: models.WordPiece, options: WordPieceOptions) -> Tokenizer:
    """A bare tokenizer: BERT's normalizer and pre-tokenizer, no special tokens."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=options.clean_text,
        handle_chinese_chars=options.tokenize_chinese_chars,
        strip_accents=options.strip_accents,
        lowercase=options.lowercase,
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def train_tokens(
    sentences: Callable[[], Iterable[str]], vocab_size: int, min_count: int, options: WordPieceOptions
) -> list[str]:
    """The tokens, in order of their ids: special ones, characters, characters inside words, merges.

    sentences   gives the text anew each time it is called: it is read three times
    vocab_size  the most tokens there may be; little text gives fewer
    min_count   characters and pairs that occur less often are left out
    """
    alphabet = _alphabet(sentences(), vocab_size - len(SPECIAL_TOKENS), min_count, options)

    def trained(text: Iterable[str], size: int, first: Sequence[str]) -> dict[str, int]:
        trainer = trainers.WordPieceTrainer(
            vocab_size=size,
            min_frequency=min_count,
            special_tokens=list(first),
            initial_alphabet=alphabet,
            limit_alphabet=len(alphabet),
            show_progress=False,
        )
        tokenizer = new_tokenizer(models.WordPiece(unk_token="[UNK]"), options)
        tokenizer.train_from_iterator(text, trainer)
        return tokenizer.get_vocab()

    known: set[str] = set(SPECIAL_TOKENS)
    pieces = trained(_distinct(sentences(), options), 0, SPECIAL_TOKENS)
    inside = sorted(token for token in pieces if token.startswith("##") and len(token) == 3)
    vocab = trained(sentences(), vocab_size, [*SPECIAL_TOKENS, *inside])
    known.update(alphabet, inside)
    merges = sorted((index, token) for token, index in vocab.items() if token not in known)
    return [*SPECIAL_TOKENS, *alphabet, *inside, *(token for _, token in merges)]


def _distinct(sentences: Iterable[str], options: WordPieceOptions) -> Iterator[str]:
    """What stands between white space, and between Chinese characters, each once: all that the first pass needs."""
    seen: set[str] = set()
    for text in in_chunks(sentences):
        if options.tokenize_chinese_chars:
            text = _IDEOGRAPHS.sub(" ", text)
        new = set(text.split()) - seen
        yield from sorted(new)
        seen |= new


def _alphabet(sentences: Iterable[str], room: int, min_count: int, options: WordPieceOptions) -> list[str]:
    """The characters, sorted: the most frequent ones that fit into the vocabulary."""
    normalizer = new_tokenizer(models.WordPiece(unk_token="[UNK]"), options).normalizer
    assert normalizer is not None
    counts = np.zeros(0x110000, dtype=np.int64)
    for text in in_chunks(sentences):
        points = np.frombuffer(normalizer.normalize_str(text).encode("utf-32-le"), dtype=np.uint32)
        found = np.bincount(points)
        counts[: len(found)] += found
    seen = np.flatnonzero(counts)
    seen = seen[[not chr(point).isspace() for point in seen.tolist()]] if len(seen) else seen
    if not len(seen):
        raise BadInput("there is no text to train a vocabulary on: give inputs that hold some")
    frequent = seen[counts[seen] >= min_count]
    frequent = frequent[np.lexsort((frequent, -counts[frequent]))]
    # a Chinese character never continues a word; any other may also need its ## form
    cost = np.cumsum(np.where(are_ideographs(frequent) & options.tokenize_chinese_chars, 1, 2))
    kept = frequent[cost <= room]
    if not len(kept):
        least = len(SPECIAL_TOKENS) + 2
        raise BadInput(
            f"no vocabulary of {room + len(SPECIAL_TOKENS)} tokens from this text: it takes at least {least}, "
            f"and characters that occur at least {min_count} times"
        )
    return sorted(map(chr, kept.tolist()))


def in_chunks(sentences: Iterable[str]) -> Iterator[str]:
    """The sentences in larger texts, a line each."""
    chunk: list[str] = []
    size = 0
    for sentence in sentences:
        chunk.append(sentence)
        size += len(sentence) + 1
        if size >= _CHUNK:
            yield "\n".join(chunk)
            chunk, size = [], 0
    yield "\n".join(chunk)

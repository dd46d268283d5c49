"""One shard: an Arrow IPC file with one record batch, one row a document.

    token_ids    list<list<uint16|uint32>>   document -> sentences -> tokens
    word_starts  list<list<uint8>>           1 where a token begins a word
    text         list<large_utf8>            document -> sentences, the cleaned text that the tokens are of
    name         utf8                        where the document came from

One uncompressed record batch, so that offsets and values are plain buffers: a memory-mapped shard
is four numpy views of the file, and opening it reads nothing but its footer.
"""
# pyarrow ships no types:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false, reportAttributeAccessIssue=false

from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from maskwright.errors import BadInput

Array = npt.NDArray[Any]


class Shard(NamedTuple):
    """Views of one shard. Offsets are local to it.

    token_ids         (T,) uint16 or uint32
    word_starts       (T,) uint8
    sentence_offsets  (sentences + 1,) into tokens
    document_offsets  (documents + 1,) into sentences
    names             one a document: a list of str, the column of a file, or None
    text              one a sentence: a list of str, the column of a file, or None
    """

    token_ids: Array
    word_starts: Array
    sentence_offsets: Array
    document_offsets: Array
    names: Any
    file: str
    text: Any = None


def token_type(vocab_size: int) -> type[np.unsignedinteger[Any]]:
    """The narrowest of the two types a shard may hold its tokens in."""
    return np.uint16 if vocab_size <= 2**16 else np.uint32


def shard_bytes(shard: Shard) -> pa.Buffer:
    """The file of a shard: a pure function of its arrays and names."""
    offsets = [pa.array(shard.document_offsets, pa.int32()), pa.array(shard.sentence_offsets, pa.int32())]

    def nested(values: Array) -> pa.ListArray:
        inner = pa.ListArray.from_arrays(offsets[1], pa.array(values))
        return pa.ListArray.from_arrays(offsets[0], inner)

    columns: list[Any] = [
        nested(shard.token_ids),
        nested(shard.word_starts.astype(np.uint8, copy=False)),
        pa.ListArray.from_arrays(offsets[0], pa.array(shard.text, pa.large_string())),
        pa.array(shard.names, pa.string()),
    ]
    batch = pa.RecordBatch.from_arrays(columns, names=["token_ids", "word_starts", "text", "name"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def open_shard(path: Path) -> Shard:
    """Memory-map a shard. Raises BadInput, naming the file, when it is not one."""
    try:
        batch = _only_batch(path)
        tokens = cast(pa.ListArray, batch.column("token_ids"))
        starts = cast(pa.ListArray, batch.column("word_starts"))
        names = cast(pa.StringArray, batch.column("name"))
        text = cast(pa.ListArray, batch.column("text"))
        shard = Shard(
            token_ids=_flat(tokens),
            word_starts=_flat(starts),
            sentence_offsets=cast(pa.ListArray, tokens.values).offsets.to_numpy(),
            document_offsets=tokens.offsets.to_numpy(),
            names=names,
            file=str(path),
            text=text.values,
        )
    except (pa.ArrowException, OSError, KeyError, AttributeError, ValueError, TypeError) as error:
        if isinstance(error, BadInput | FileNotFoundError | PermissionError):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise damaged(path, f"is no readable Arrow shard ({reason})") from None
    if shard.token_ids.dtype.name not in ("uint16", "uint32") or shard.word_starts.dtype.name != "uint8":
        raise damaged(path, f"holds {shard.token_ids.dtype} tokens and {shard.word_starts.dtype} word starts")
    if len(shard.token_ids) != len(shard.word_starts):
        raise damaged(path, f"has {len(shard.token_ids)} tokens and {len(shard.word_starts)} word starts")
    if len(shard.text) != len(shard.sentence_offsets) - 1:
        raise damaged(path, f"has {len(shard.text)} texts of {len(shard.sentence_offsets) - 1} sentences")
    return shard


def taken(shard: Shard, documents: npt.NDArray[np.int64]) -> Shard:
    """The shard of some documents (numbers, ascending) of another one, as arrays in memory."""
    sentences, sentence_counts = _ranges(shard.document_offsets, documents)
    tokens, token_counts = _ranges(shard.sentence_offsets, sentences)
    names, text = pa.array(shard.names, pa.string()), pa.array(shard.text, pa.large_string())
    return Shard(
        token_ids=shard.token_ids[tokens],
        word_starts=shard.word_starts[tokens],
        sentence_offsets=np.concatenate([[0], np.cumsum(token_counts)]),
        document_offsets=np.concatenate([[0], np.cumsum(sentence_counts)]),
        names=names.take(pa.array(documents)),
        text=text.take(pa.array(sentences)),
        file=shard.file,
    )


def _ranges(offsets: Array, which: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """What lies between offsets[i] and offsets[i + 1] for each i, one after the other; and how much for each."""
    first = offsets[which].astype(np.int64)
    counts = offsets[which + 1].astype(np.int64) - first
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - counts), counts), counts


def check_offsets(shard: Shard) -> None:
    """Raise BadInput unless offsets rise strictly and end where the next level does.

    No sentence and no document is empty; an offset that lies would read outside the shard.
    """
    for offsets, end, what in (
        (shard.sentence_offsets, len(shard.token_ids), "sentence"),
        (shard.document_offsets, len(shard.sentence_offsets) - 1, "document"),
    ):
        if len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != end or (np.diff(offsets) < 1).any():
            raise damaged(shard.file, f"has impossible {what} boundaries")


def damaged(path: str | Path, fault: str) -> BadInput:
    """The error for a shard that is not as it was written."""
    return BadInput(f"{path} {fault}: the shard is damaged; build the corpus again or restore the file")


def _only_batch(path: Path) -> pa.RecordBatch:
    reader = pa.ipc.open_file(pa.memory_map(str(path)))
    if reader.num_record_batches != 1:
        raise damaged(path, f"holds {reader.num_record_batches} record batches where one is the rule")
    batch = reader.get_batch(0)
    batch.validate()
    return batch


def _flat(column: pa.ListArray) -> Array:
    values: Array = cast(pa.ListArray, column.values).values.to_numpy(zero_copy_only=True)
    return values

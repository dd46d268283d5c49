"""Bytes to lines of text, in bounded memory: what is no UTF-8 text is named, with the place where it stops being so."""

from collections.abc import Iterable, Iterator

from maskwright.errors import BadInput

LONGEST_LINE = 64 << 20  # bytes
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b")
_BOM = b"\xef\xbb\xbf"


def text_lines(pieces: Iterable[bytes], name: str, *, number: int = 1, offset: int = 0) -> Iterator[tuple[int, str]]:
    r"""Numbered lines, without their ends (LF or CRLF). A byte order mark is dropped.

    `number` and `offset` are the line and the byte with which `pieces` begin, where that is not the file's beginning.

    Raises `BadInput` for bytes that are not UTF-8 text (naming the offset in the unpacked stream) and for a line of
    more than `LONGEST_LINE` bytes.

    >>> list(text_lines([b"\xef\xbb\xbfone\r\ntwo", b"\nthree"], "x.txt"))
    [(1, 'one'), (2, 'two'), (3, 'three')]
    >>> list(text_lines([b"one\ncaf\xe9\n"], "x.txt"))
    Traceback (most recent call last):
        ...
    maskwright.errors.BadInput: x.txt is not UTF-8: byte 7 (0xe9, line 2); convert it first, as `iconv -f ... -t utf-8`
    """
    for at, block in _blocks(pieces, name, number, offset):
        if at == 0:
            _refuse_binary(block, name)
        lines = _decoded(block, at, number, name).split("\n")
        if lines[-1] == "":
            lines.pop()
        for line in lines:
            yield number, line.removesuffix("\r")
            number += 1


def _blocks(pieces: Iterable[bytes], name: str, number: int, offset: int) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines with their offsets; the last may lack its line's end."""
    pending: list[bytes] = []
    waiting = 0  # bytes in `pending`, none of them the end of a line
    for piece in pieces:
        cut = piece.rfind(b"\n") + 1
        longest = waiting + (piece.find(b"\n") if cut else len(piece))
        if longest > LONGEST_LINE:
            raise BadInput(
                f"{name} line {number} is longer than {LONGEST_LINE >> 20} MiB: break the text into lines, "
                "one to a sentence, a paragraph or a document"
            )
        if not cut:
            pending.append(piece)
            waiting += len(piece)
            continue
        block = b"".join([*pending, piece[:cut]])
        yield offset, block
        offset += len(block)
        number += block.count(b"\n")
        pending = [piece[cut:]]
        waiting = len(pending[0])
    if waiting:
        yield offset, b"".join(pending)


def _refuse_binary(head: bytes, name: str) -> None:
    head = head[: 1 << 16]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(f"{name} is UTF-16, not UTF-8: convert it first, as `iconv -f utf-16 -t utf-8`")
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls * 50 > len(head) and b"\0" not in head:
        raise BadInput(f"{name} is a binary file: {controls} control bytes in its first {len(head)} bytes")


def _decoded(block: bytes, offset: int, number: int, name: str) -> str:
    zero = block.find(b"\0")
    if zero >= 0:
        line = number + block.count(b"\n", 0, zero)
        raise BadInput(f"{name} is a binary file, not text: byte {offset + zero} is NUL (line {line})")
    try:
        text = block.decode()
    except UnicodeDecodeError as error:
        line = number + block.count(b"\n", 0, error.start)
        raise BadInput(
            f"{name} is not UTF-8: byte {offset + error.start} (0x{block[error.start]:02x}, line {line}); "
            "convert it first, as `iconv -f ... -t utf-8`"
        ) from None
    return text[1:] if offset == 0 and block.startswith(_BOM) else text

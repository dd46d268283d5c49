"""Paragraphs of reStructuredText, as far as the kernel's documentation goes: no listings, tables, fields, comments."""

import re
from collections.abc import Iterator

# Directives whose body is prose; the bodies of all others (code, tables, figures, contents ...) are passed over.
_PROSE = {"note", "warning", "tip", "hint", "important", "caution", "attention", "danger", "seealso", "admonition"}
_DIRECTIVE = re.compile(r"\.\.(?:\s+(?:\|[^|]*\|\s*)?([\w:-]+)::|\s|$)\s*(.*)")
_BULLET = re.compile(r"(?:[-*+•]|\(?(?:\d+|[a-zA-Z#]|[ivx]+)[.)])\s+")
_FIELD = re.compile(r":[\w -]+:(?:\s|$)")
_RULE = re.compile(r"([^\w\s])\1{2,}$")
_TABLE = re.compile(r"\s*(?:[+|]|={2,}\s+=|-{2,}\s+-)")
_INLINE = [
    (re.compile(r":[\w:+-]+:`~?!?([^`<]*?)\s*(?:<[^`>]*>)?`"), r"\1"),  # roles
    (re.compile(r"`([^`<]+?)\s*<[^`>]+>`__?"), r"\1"),  # links
    (re.compile(r"``(.+?)``"), r"\1"),
    (re.compile(r"`([^`]+)`_{0,2}"), r"\1"),
    (re.compile(r"(?<!\w)(\*\*?)(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"\s*\[(?:#\w*|\d+)\]_"), ""),  # marks of footnotes
    (re.compile(r"\|(\w[^|\n]*)\|_?"), r"\1"),
    (re.compile(r"\\(.)"), r"\1"),
    (re.compile(r"(?<=\w)__?(?=[\s.,;)])"), ""),
]


def rst_paragraphs(text: str) -> Iterator[str]:
    r"""The paragraphs of a document, without markup, in order. Items of lists are paragraphs of their own.

    >>> page = "Title\n=====\n\nUse ``dd`` (see :doc:`/io`)::\n\n   dd if=x\n\n- One `item\n  <x>`_."
    >>> list(rst_paragraphs(page))
    ['Title', 'Use dd (see /io):', 'One item.']
    """
    skipped: int | None = None  # lines indented deeper than this belong to something passed over
    for block in _blocks(text.expandtabs()):
        indent = _indent(block[0])
        if skipped is not None and indent > skipped:
            continue
        skipped = None
        directive = _DIRECTIVE.match(block[0].strip())
        if directive:
            if (directive[1] or "").lower() not in _PROSE:
                skipped = indent
                continue
            block = [directive[2], *(line.strip() for line in block[1:])]
            block = [" " * indent + line for line in block if line]
        block = [line for line in block if not _RULE.match(line.strip()) and not _FIELD.match(line.strip())]
        if not block or any(_TABLE.match(line) for line in block):
            continue
        if block[-1].rstrip().endswith("::"):
            skipped = _indent(block[-1])
        for paragraph in _items(block):
            yield inline(paragraph)


def inline(text: str) -> str:
    """Text without the marks of emphasis, code, links and footnotes."""
    text = re.sub(r"\s*::$", ":", " ".join(text.split()))
    for pattern, kept in _INLINE:
        text = pattern.sub(kept, text)
    return text.strip()


def _blocks(text: str) -> Iterator[list[str]]:
    """Runs of lines without an empty one; headings apart from what follows them."""
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.strip():
            block.append(line)
            if len(block) == 2 and _RULE.match(line.strip()):
                yield block
                block = []
        elif block:
            yield block
            block = []


def _items(block: list[str]) -> Iterator[str]:
    """Cuts a block where an item of a list begins, or where a term is followed by its indented definition."""
    lines: list[str] = []
    indent = _indent(block[0])
    for line in block:
        text = line.strip()
        bullet = _BULLET.match(text)
        term = len(lines) == 1 and _indent(line) > indent and not _BULLET.match(block[0].strip())
        if (bullet or term or _indent(line) < indent) and lines:
            yield "\n".join(lines)
            lines = []
        if not lines:
            indent = _indent(line)
        lines.append(text[bullet.end() :] if bullet else text)
    if lines:
        yield "\n".join(lines)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())

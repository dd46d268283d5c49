"""Lines of text: a sentence a line, or prose.

A document is what its file says it is: the lines up to an empty one ("sentences"), or the file ("paragraphs"). Two
limits keep memory constant: prose is cut, at the end of a paragraph, into documents of about `PROSE_DOCUMENT`
characters, so that a book or a dump is many documents and not one; and so is a file of sentences that goes on for
`LONGEST_DOCUMENT` characters without an empty line.
"""

from collections.abc import Iterable, Iterator

from maskwright.text.characters import is_wide

PROSE_DOCUMENT = 50_000  # characters: a long chapter
LONGEST_DOCUMENT = 8_000_000  # characters
WRAPPED_LINE = {"en": (40, 100), "zh": (20, 50)}  # characters of a line that was wrapped: at least, at most

NumberedLines = Iterator[tuple[int, str]]


def sentence_documents(lines: NumberedLines) -> NumberedLines:
    """The sentences of each document, cleaned, a line each, with the number of their first line."""
    sentences: list[str] = []
    begun = size = 0
    for number, line in lines:
        sentence = " ".join(line.split())
        if sentence:
            if not sentences:
                begun = number
            sentences.append(sentence)
            size += len(sentence)
        if sentences and (not sentence or size >= LONGEST_DOCUMENT):
            yield begun, "\n".join(sentences)
            sentences, size = [], 0
    if sentences:
        yield begun, "\n".join(sentences)


def prose_documents(lines: NumberedLines, language: str) -> NumberedLines:
    """The paragraphs of each document, a line each, with the number of their first line."""
    found: list[str] = []
    begun = size = 0
    for number, paragraph in paragraphs(lines, language):
        if not found:
            begun = number
        found.append(paragraph)
        size += len(paragraph)
        if size >= PROSE_DOCUMENT:
            yield begun, "\n".join(found)
            found, size = [], 0
    if found:
        yield begun, "\n".join(found)


def paragraphs(lines: Iterable[tuple[int, str]], language: str) -> NumberedLines:
    """Paragraphs, cleaned, with the number of their first line.

    An empty line ends one, and so does a line's end where lines were not wrapped there: behind a line that is short
    (unless a lower-case letter follows), and around one that is long. Chinese lines are joined without a space.

    >>> wrapped = ["It is a truth universally acknowledged, that a", "man must want a wife.", "Chapter 2", "Mr. Bennet"]
    >>> [text for _, text in paragraphs(enumerate(wrapped), "en")]
    ['It is a truth universally acknowledged, that a man must want a wife.', 'Chapter 2', 'Mr. Bennet']
    >>> wrapped = ["话说天下大势，分久必合，合久必分：周末七国", "分争，并入于秦。"]
    >>> [text for _, text in paragraphs(enumerate(wrapped), "zh")]
    ['话说天下大势，分久必合，合久必分：周末七国分争，并入于秦。']
    """
    shortest, longest = WRAPPED_LINE[language]
    pending: list[str] = []
    begun = size = 0
    for number, line in lines:
        line = " ".join(line.split())
        if pending:
            before = pending[-1]
            wrapped = line and len(line) <= longest and len(before) <= longest and size < PROSE_DOCUMENT
            if wrapped and (len(before) >= shortest or line[0].islower()):
                if _are_apart(before[-1], line[0], language):
                    pending.append(" ")
                pending.append(line)
                size += len(line)
                continue
            yield begun, "".join(pending)
            pending = []
        if line:
            pending, begun, size = [line], number, len(line)
    if pending:
        yield begun, "".join(pending)


def paragraph_ends(before: str, after: str) -> bool:
    """Whether a paragraph ends between two neighbouring lines in either language, whatever stands around them.

    >>> paragraph_ends("It rained.", "Chapter 2"), paragraph_ends("It rained.", ""), paragraph_ends("a" * 60, "b" * 60)
    (True, True, False)
    """
    before, after = " ".join(before.split()), " ".join(after.split())
    shortest = min(least for least, _ in WRAPPED_LINE.values())
    longest = max(most for _, most in WRAPPED_LINE.values())
    if not before or not after or len(before) > longest or len(after) > longest:
        return True
    return len(before) < shortest and not after[0].islower()


def _are_apart(last: str, first: str, language: str) -> bool:
    """Whether a blank goes between two lines that are joined, by the characters that meet."""
    if last == "-":
        return False
    if last.isascii() and first.isascii():
        return True
    wide = is_wide(last) + is_wide(first)
    return wide == 0 or (wide == 1 and language != "zh")

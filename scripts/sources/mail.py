"""What the sender of a mail wrote: no headers, no quotations, no signature, no list's footer."""

import email.policy
import re
from collections.abc import Iterator
from email import message_from_string
from email.message import Message

_QUOTED = re.compile(
    r"\s*(?:[>|:}]|[A-Z][a-z]{0,3}>)|.*\b(?:wrote|writes|said)\s*:\s*$|(?:On|At) .*\b(?:19|20)\d\d\b.*$"
)
_END = re.compile(r"-- ?$|_{10,}|-{10,}|={10,}|\s*-{3,} ?(?:Original|Forwarded|Begin)|Yahoo! Groups Sponsor|\*{10,}")
_LINK = re.compile(r"\s*<?(?:https?://|www\.)\S+>?\s*")


def mail_paragraphs(message: str) -> Iterator[str]:
    """The paragraphs of the plain text of a mail.

    >>> list(mail_paragraphs("From: a@b.c\\n\\nOn 1 May 2002 B wrote:\\n> Is it so?\\n\\nIt is\\nso.\\n-- \\nA\\n"))
    ['It is\\nso.']
    """
    parsed = message_from_string(message, policy=email.policy.compat32)
    for part in parsed.walk():
        if part.get_content_type() == "text/plain":
            yield from _written(_decoded(part))
            return


def _decoded(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    for charset in (part.get_content_charset() or "ascii", "utf-8", "cp1252"):
        try:
            return content.decode(charset)
        except (LookupError, UnicodeDecodeError):
            continue
    return content.decode("latin-1")


def _written(body: str) -> Iterator[str]:
    lines: list[str] = []
    for line in body.splitlines():
        if _END.match(line):
            break
        if line.strip() and not _QUOTED.match(line) and not _LINK.fullmatch(line):
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)

"""Text that was decoded wrongly, such as `schÃ¶n` for `schön`, decoded again by the library ftfy (the extra `clean`).

Repaired is UTF-8 that was read as a single-byte encoding (Windows-1252, Latin-1, MacRoman and a few more), once or
several times over, and nothing else: quotes, ligatures, width and entities stay as they are. Chinese that was read as
Latin-1 or Windows-1252 comes back; UTF-8 that was read as GBK (浣犲ソ for 你好) does not, as that is Chinese text too.
"""

from collections.abc import Callable

from maskwright.errors import BadInput


def repairer() -> Callable[[str], str]:
    r"""The function that repairs text, each line for itself. Raises BadInput if ftfy is not installed.

    >>> repairer()("schÃ¶n â€œgesagtâ€\x9d\nä½¿ç”¨è¯­è¨€æ¨¡åž‹")
    'schön “gesagt”\n使用语言模型'
    """
    try:
        import ftfy
        from ftfy.badness import is_bad
    except ImportError:
        raise BadInput("ftfy is not installed: run `pip install 'maskwright[clean]'`, or leave mojibake off") from None

    def repaired(text: str) -> str:
        if text.isascii() or not is_bad(text):
            return text
        return "\n".join(ftfy.fix_encoding(line) if is_bad(line) else line for line in text.split("\n"))

    return repaired

"""Which language a text is in, by the library py3langid (the extra `clean`): offline, and the same on every run.

py3langid weighs byte n-grams by naive Bayes, for some 140 languages. It is asked about a piece from the middle of a
document, since books and mails in any language begin with English matter. What it takes for Cantonese, Wu or Nigerian
Pidgin counts as Chinese and English: it takes older Chinese and English dialogue for them.
"""

from collections.abc import Callable

from maskwright.errors import BadInput

LOOKED_AT = 1000  # characters from the middle of a text
TOO_SHORT = {"en": 40, "zh": 8}  # characters of a line below which nothing is said about it

_COUNTED_AS = {"en": ("en", "pcm"), "zh": ("zh", "wuu", "yue")}


def language_judge(wanted: str) -> Callable[[str], str | None]:
    """The function that says which other language a text is in; None for one in the language wanted.

    Raises BadInput if py3langid is not installed.

    >>> judge = language_judge("zh")
    >>> judge("话说天下大势，分久必合，合久必分。"), judge("It is a truth universally acknowledged.")
    (None, 'it is en (0.98)')
    """
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise BadInput(
            "py3langid is not installed: run `pip install 'maskwright[clean]'`, or set language to none"
        ) from None
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def other_language(text: str) -> str | None:
        begin = max(0, (len(text) - LOOKED_AT) // 2)
        found, probability = identifier.classify(text[begin : begin + LOOKED_AT])
        return None if found in _COUNTED_AS[wanted] else f"it is {found} ({probability:.2f})"

    return other_language

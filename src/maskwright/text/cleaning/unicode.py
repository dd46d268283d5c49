"""Unicode normalisation: one spelling for what looks the same."""

import unicodedata
from collections.abc import Callable
from typing import Literal

Form = Literal["NFC", "NFKC"]


def normalizer(form: Form) -> Callable[[str], str]:
    """The function that puts text into `form`, by the tables of `unicodedata.unidata_version`.

    NFC composes letters and their marks. NFKC also replaces compatibility forms: full-width letters, but Chinese
    punctuation and the ellipsis too (，becomes a comma), ligatures, circled numbers; text of a Chinese encoder is
    rather left in NFC.

    >>> normalizer("NFC")("cafe\u0301 、ＢＥＲＴ，…"), normalizer("NFKC")("cafe\u0301 、ＢＥＲＴ，…")
    ('café 、ＢＥＲＴ，…', 'café 、BERT,...')
    """

    def normalized(text: str) -> str:
        return text if unicodedata.is_normalized(form, text) else unicodedata.normalize(form, text)

    return normalized

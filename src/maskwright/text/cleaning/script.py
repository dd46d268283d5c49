"""Traditional and simplified Chinese characters, by the library OpenCC (the extra `clean`).

Its dictionaries know phrases, so that 頭髮 and 發現 become 头发 and 发现, and 头发 and 发现 become 頭髮 and 發現 again.
"""

import re
from collections.abc import Callable
from typing import Literal

from maskwright.errors import BadInput

Script = Literal["simplified", "traditional"]
_HALVES = re.compile("([\ud800-\udfff]+)")
_TABLES = {"simplified": "t2s", "traditional": "s2t"}


def converter(script: Script) -> Callable[[str], str]:
    """The function that puts Chinese text into `script`. Raises BadInput if OpenCC is not installed.

    >>> converter("simplified")("使用語言模型來預測下一個詞，頭髮"), converter("traditional")("发现理发店的头发")
    ('使用语言模型来预测下一个词，头发', '發現理髮店的頭髮')
    """
    try:
        from opencc import OpenCC
    except ImportError:
        raise BadInput("opencc is not installed: run `pip install 'maskwright[clean]'`, or leave script off") from None
    convert = OpenCC(_TABLES[script]).convert

    def converted(text: str) -> str:
        if text.isascii():
            return text
        try:
            return convert(text)
        except UnicodeEncodeError:  # half a surrogate pair, which is no character: OpenCC takes UTF-8
            return "".join(part if number % 2 else convert(part) for number, part in enumerate(_HALVES.split(text)))

    return converted

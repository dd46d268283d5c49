"""Classical poetry, mostly in traditional characters: another domain, and so a corpus of its own."""

import json
from pathlib import Path

from sources.archives import members
from sources.packages import Package
from sources.source import Documents, Source


def poems(package: Path) -> Documents:
    """Poems of Tang and Song, and lyrics of Song: a couplet a line."""
    for name, content in members(package, r"package/dist/(?:quantangshi/poet|songci/ci)\.[\w.]+\.json"):
        for number, poem in enumerate(json.loads(content)):
            if poem["paragraphs"]:
                yield f"{name.rpartition('/')[2]}/{number}", "\n".join(poem["paragraphs"])


POETRY = Package("npm", "chinese-poetry", "2.0.1", "25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86")
SOURCES: tuple[Source, ...] = (Source(name="poetry", package=POETRY, licence="MIT", documents=poems),)

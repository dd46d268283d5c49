"""Writes labelled examples for `maskwright senses --examples`: words in WordNet's example sentences.

    python scripts/senses.py                                # corpora/senses-en.jsonl
    maskwright senses --examples corpora/senses-en.jsonl --model runs/mine/model

Rows of word, part of speech, sense (a synset), sentence. Nine tenths of the sentences stand, without their senses, in
the pretraining corpus that scripts/corpora.py makes; "kept_out" marks the others. The package is WordNet's (free, with
notice): nothing of it is committed or shipped.
"""

import argparse
import json
import sys
from pathlib import Path

from maskwright.durable import staged_file
from sources import packages
from sources.word_senses import word_senses

CORPORA = Path(__file__).resolve().parent.parent / "corpora"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, default=CORPORA / "packages", help="where packages are kept")
    parser.add_argument("--out", type=Path, default=CORPORA / "senses-en.jsonl", help="the file to write")
    arguments = parser.parse_args()
    try:
        uses = word_senses(arguments.packages)
    except packages.NotFetched as error:
        sys.exit(str(error))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with staged_file(arguments.out) as file:
        for use in uses:
            file.write((json.dumps(use._asdict(), ensure_ascii=False) + "\n").encode())
    print(f"{arguments.out}: {len(uses):,} uses of {len({use.word for use in uses}):,} words")


if __name__ == "__main__":
    main()

"""Chapters as a split in memory."""

import numpy as np

from maskwright.corpus.read import Split


def split_of(chapters, tokenizer):
    encoded = [tokenizer.encode_sentences(list(chapter.sentences)) for chapter in chapters]
    lengths = np.concatenate([one.lengths for one in encoded])
    return Split.from_arrays(
        np.concatenate([one.token_ids for one in encoded]),
        np.concatenate([one.word_starts for one in encoded]),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([[0], np.cumsum([len(one.lengths) for one in encoded])]),
    )

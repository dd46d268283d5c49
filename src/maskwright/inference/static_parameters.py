"""How many numbers a table has: the vectors of word2vec, the weights and directions of bags of words."""

from maskwright.inference.parameters import Counted, Row
from maskwright.training.bag_of_words import BagOfWordsConfig
from maskwright.training.word2vec import TableConfig


def count_table(config: TableConfig | BagOfWordsConfig) -> Counted:
    """The numbers of a table of this shape.

    `encoder` is what is kept; `everything` also what is learned beside it and dropped: word2vec's second table, of
    each token as one that stands around others.
    """
    wide = config.vocab_size * config.hidden_size
    if isinstance(config, TableConfig):
        rows = [Row("embeddings", "token", "V H", wide), Row("head", "token, around others", "V H", wide)]
    else:
        rows = [Row("embeddings", "idf", "V", config.vocab_size)]
        if config.dimensions is not None:
            rows.append(Row("embeddings", "directions", "V H", wide))
    kept = sum(row.parameters for row in rows if row.component == "embeddings")
    return Counted(rows, kept, kept, sum(row.parameters for row in rows))


def table_letters(config: TableConfig | BagOfWordsConfig) -> dict[str, int]:
    """What the letters of the formulas stand for."""
    return {"V": config.vocab_size, "H": config.hidden_size}

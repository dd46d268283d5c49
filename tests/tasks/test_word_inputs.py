"""How texts and words are read by an ELMo and by a table of vectors."""

import numpy as np

from maskwright.objectives.both_ways import BEGIN, END
from maskwright.tasks.elmo_inputs import ElmoInputs
from maskwright.tasks.examples import Tagged
from maskwright.tasks.table_inputs import TableInputs
from maskwright.tokenizers.words import Words
from maskwright.training.labelled_sequences import LabelledSequences
from tests.checkpoints import made_up
from tests.models.elmo_batches import config, of_words

WORDS = Words(["<unk>", "it", "is", "a", "truth", "man", "."])
ELMO = config(vocab_size=WORDS.vocab_size)


def test_words_of_tagged_sentences_are_elmos_words_one_to_one() -> None:
    """Also those that its tokenizer would part, or does not know; long sentences go into windows."""
    inputs = ElmoInputs(ELMO, WORDS)
    sentences = [
        Tagged(("It", "isn't", "Zyzzyva", "."), None, "line 1"),
        Tagged(tuple("一只猫坐下来了"), None, "line 2", joined=True),
    ]
    made = inputs.windows(sentences, 6)
    assert [one.encoded.tokens for one in made] == [
        (BEGIN, "it", "isn't", "zyzzyva", ".", END),
        (BEGIN, *"一只猫坐", END),
        (BEGIN, *"下来了", END),
    ]
    assert [one.words.tolist() for one in made] == [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6]]
    assert all(one.encoded.tokens[row] == sentences[one.sentence].words[word].lower()
               for one in made for row, word in zip(one.rows, one.words, strict=True))  # fmt: skip
    size = WORDS.vocab_size
    assert made[0].encoded.ids.tolist() == [size, 1, 0, 0, 6, size + 1]


def test_a_batch_has_the_characters_of_its_words_in_any_order() -> None:
    inputs = ElmoInputs(ELMO, WORDS)
    sentences = [["it", "is", "zyzzyva"], ["a"], ["man", "xylophone", "it", "."]]
    encoded = inputs.texts([" ".join(words) for words in sentences], None).encoded
    which = np.array([2, 0])
    batch = LabelledSequences(encoded, None, inputs).batch(which)
    wanted = of_words([sentences[i] for i in which], marks=True)
    assert batch.char_ids is not None and batch.char_rows is not None and wanted.char_ids is not None
    width = batch.char_ids.shape[1]
    assert batch.char_ids[batch.char_rows].tolist() == wanted.char_ids[:, :width].tolist()
    assert (wanted.char_ids[:, width:] == 261).all() and batch.cu_seqlens.tolist() == [0, 6, 11]
    assert len(batch.char_ids) == 8  # `it` stands twice


def test_texts_of_a_pair_are_apart_and_stay_together() -> None:
    for inputs, around in ((ElmoInputs(ELMO, WORDS), 2), (TableInputs(WORDS), 0)):
        found = inputs.texts([("it is a man .", "it is"), ("a", "a man"), ("a man", "it is a truth")], 3 + around)
        assert found.sizes == [2, 2, 2] and found.cut == 2
        assert [len(one.ids) - around for one in found.encoded] == [3, 2, 1, 2, 2, 3]
        batch = LabelledSequences(found.encoded, np.arange(3), inputs, sizes=found.sizes).batch(np.array([2, 0]))
        assert batch.groups is not None and batch.groups.tolist() == [0, 2, 4]
        assert np.diff(batch.cu_seqlens).tolist() == [n + around for n in (2, 3, 3, 2)]
        alone = inputs.texts(["it is a man .", "it is"], None)
        assert alone.sizes is None and alone.cut == 0


def test_a_table_reads_the_tokens_of_a_text_alone() -> None:
    tokenizer = made_up.tokenizer()
    (one,) = TableInputs(tokenizer).texts(["the cat [SEP] sat"], None).encoded
    assert one.tokens[:2] == ("the", "cat") and one.tokens[-1] == "sat" and "[SEP]" not in one.tokens
    made = TableInputs(tokenizer).windows([Tagged(("the", "cats"), None, "line 1")], 64)
    assert [made[0].encoded.tokens[row] for row in made[0].rows] == ["the", "cat"]

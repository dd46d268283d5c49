"""How a published network's sequences become one vector for a task, and what its tensors are called there."""

from typing import Literal, NamedTuple

SummaryName = Literal["pooled", "dense", "first", "last", "last_dense"]


class Summary(NamedTuple):
    """How a network's sequences become one vector, and what the published tensors are called.

    kind     pooled: the first token through the network's own pooler (BERT, ALBERT)
             dense: the first token, dropped out, through a tanh map of the head's (RoBERTa)
             first: the first token (XLM); last: the last one (GPT)
             last_dense: the last one through a tanh map of the head's (XLNet)
    scores   the published name of the map to scores
    dense    that of the head's own map before it
    bias     whether the map to scores has one
    """

    kind: SummaryName
    scores: str
    dense: str = ""
    bias: bool = True

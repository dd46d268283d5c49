"""Fine-tuning a token table by the rows that the examples have: the others wait outside of training.

A vocabulary has 30,000 to 250,000 rows, and a few thousand examples have a third of them or fewer. The gradient of the
others is zero in every step, so that Adam only pulls them towards zero, all by one factor. A single number that has no
gradient either takes their place in training and tells that factor, whatever the rates and steps were. What comes out
is what moving all rows gives, but for roundings of that factor; what is left out is the time and memory of their
gradients, moments and copies.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from maskwright.batch import Batch, Integers
from maskwright.layers.network import Network
from maskwright.training.finetuning import Finetuning

TABLE, FACTOR = "encoder.embeddings.token", "encoder.embeddings.factor_of_others"
MOST = 0.75
"""Of the rows: where more are used, the table stays as it is."""
AS_ONE = frozenset({"lamb", "google_lamb"})
"""Optimizers that move a table by its length as a whole."""


class UsedRows:
    """A network whose token table has the used rows alone, until `whole` puts them back among the others.

    Its batches keep the ids that they have.
    """

    def __init__(self, network: Finetuning, used: Integers) -> None:
        """network   with its weights; it is changed
        used      (U,) ids, ascending, of every batch that it will see
        """
        embeddings: Any = network.encoder.embeddings
        self.table, self.used = embeddings.token.detach().clone(), torch.from_numpy(used)
        places = torch.full((len(self.table),), -1)  # an id that is not among them is an error where it is looked up
        places[self.used] = torch.arange(len(used))
        embeddings.token = nn.Parameter(self.table[self.used])
        embeddings.factor_of_others = nn.Parameter(self.table.new_ones(1, 1))
        embeddings.register_buffer("places", places, persistent=False)
        embeddings.register_forward_pre_hook(_renumbered)

    def whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of the network by name with the whole table among them."""
        found = dict(tensors)
        table = self.table.to(found[TABLE].device, found[TABLE].dtype) * found.pop(FACTOR)
        table[self.used.to(table.device)] = found[TABLE]
        return {**found, TABLE: table}


def _renumbered(embeddings: nn.Module, given: tuple[Batch, Any]) -> tuple[Batch, Any]:
    batch, stream = given
    return replace(batch, token_ids=cast("Tensor", embeddings.places)[batch.token_ids]), stream


def with_used_rows(network: Finetuning, used: Integers, optimizer: str) -> UsedRows | None:
    """Leave the network the rows that are used, where that is worth it and changes nothing that is learned."""
    if type(network.encoder) is not Network or optimizer in AS_ONE:
        return None
    table: Tensor | None = getattr(network.encoder.embeddings, "token", None)
    if table is None or not table.requires_grad or len(used) > MOST * len(table):
        return None
    return UsedRows(network, used)

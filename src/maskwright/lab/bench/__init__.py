"""Speed, measured: our training step beside that of `transformers`, batch making, the corpus builder, the start.

Each measurement runs in a fresh process of its own, the sides in strict turn, so that what one leaves
behind (memory, caches, threads) never helps or hurts the other, and a busy machine hurts both.
"""

"""Operations and small parts that models and prediction heads share.

Where an operation has more than one way, the plain one is the oracle of the others.
"""

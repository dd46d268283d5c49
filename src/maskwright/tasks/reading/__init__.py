"""Files of examples: tables of one's own, and the published data sets exactly as they are distributed.

A reader is a function of a path and of `Faults`, and gives examples one by one, in memory that does not grow with the
file (what is one JSON value, as SQuAD's files, is in memory whole).
"""

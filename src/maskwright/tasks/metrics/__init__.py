"""The numbers that judge predictions, one file for each shape of task.

Each file has a function `scores`, from what is right and what was predicted, in the same order, to numbers by name.
Shares and F1 go from 0 to 1, correlations from -1 to 1; benchmarks print them times 100.
"""

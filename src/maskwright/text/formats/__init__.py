"""The formats documents come in, one a file: how to find where each begins, and how to unpack the text of one.

The first goes through a file in order, in memory that does not grow with it, and gives places and texts; the second,
where there is one, is most of the work, and any process can do it for a document alone. `text/readers.py` joins them.
"""

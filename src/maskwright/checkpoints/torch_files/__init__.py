"""Files of `torch.save`, which are pickles: read in a process of their own, by an interpreter that runs nothing.

    guarded.py    what a caller uses: one file, or a folder of them, becomes safetensors
    child.py      the process: its limits, and the one thing it does
    container.py  which of torch's formats a file has; zip_file.py, legacy_file.py: each of them
    opcodes.py    the interpreter; names.py: what stands for the names in a pickle; inert.py: the values
    contents.py   which of the values are wanted; output.py: writing them as safetensors

Everything below `guarded.py` imports the standard library and numpy alone: the process starts at once.
"""

"""Tensors on disk: model folders of the Hugging Face layout out and in, and the files of a run's checkpoints."""

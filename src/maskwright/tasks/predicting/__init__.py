"""Rows in, the same rows with predictions out: any number of them in bounded memory, in their order."""

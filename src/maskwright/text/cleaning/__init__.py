"""Cleaning: what is done to a document before its sentences are found; `cleaner` has the order of the steps."""

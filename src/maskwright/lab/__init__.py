"""Experiments: what a trained encoder knows, measured, and shown on a page."""

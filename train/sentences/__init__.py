"""Sentence pairs: reading Multi30k, splitting into subwords, the translation task, and its scores."""

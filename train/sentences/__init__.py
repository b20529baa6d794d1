"""Sentence pairs: reading Multi30k, cutting sentences into subwords, the task of translating, and its scores."""

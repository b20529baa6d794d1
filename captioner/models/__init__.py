"""Encoders, attention and the recurrent decoder; knows nothing of text, search or training."""

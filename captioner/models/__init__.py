"""Encoders, attention and the recurrent decoder, independent of text, search and training."""

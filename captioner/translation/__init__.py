"""Translate captions: the translator, the copying of names and numbers, and a picture of the attention."""

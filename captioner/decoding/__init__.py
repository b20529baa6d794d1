"""Beam search and sampling over a `step` function, with an opaque decoder state.

The names exported here do not import torch; the modules `beam`, `sampling` and `constraints` do.
"""

from captioner.decoding.options import DecodingOptions, Hypothesis, State, Step

__all__ = ["DecodingOptions", "Hypothesis", "State", "Step"]

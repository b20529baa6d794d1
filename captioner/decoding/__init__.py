"""Search and sampling over a `step` function: they expand and reorder a state that they do not understand.

Here are the names that need no torch; `beam.beam_search`, `sampling.sample` and `constraints` load it.
"""

from captioner.decoding.options import DecodingOptions, Hypothesis, State, Step

__all__ = ["DecodingOptions", "Hypothesis", "State", "Step"]

"""Search over a `step` function: it expands and reorders a state that it does not understand."""

from captioner.decoding.beam import beam_search
from captioner.decoding.options import DecodingOptions, Hypothesis, State, Step

__all__ = ["DecodingOptions", "Hypothesis", "State", "Step", "beam_search"]

"""Search and sampling over a `step` function: they expand and reorder a state that they do not understand."""

from captioner.decoding.beam import beam_search
from captioner.decoding.constraints import Constraint
from captioner.decoding.options import DecodingOptions, Hypothesis, State, Step
from captioner.decoding.sampling import sample

__all__ = ["Constraint", "DecodingOptions", "Hypothesis", "State", "Step", "beam_search", "sample"]

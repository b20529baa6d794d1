"""A name of `captioner.datasets.structure`, under which it stood before."""

from captioner.datasets.structure import count_and_first

__all__ = ["count_and_first"]

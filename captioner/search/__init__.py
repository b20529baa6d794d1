"""Full-text search in captions of any supported format, and contact sheets of the photos found."""

from captioner.search.finding import Hit, Hits, search

__all__ = ["Hit", "Hits", "search"]

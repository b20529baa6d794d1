"""Full-text search in captions of any format, and a contact sheet of what was found."""

from captioner.search.finding import Hit, Hits, search

__all__ = ["Hit", "Hits", "search"]

"""Captions over HTTP: a photo is posted, and its record as JSON comes back."""

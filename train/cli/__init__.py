"""What `python -m train` does: one file a verb."""

"""captioner beside what would be used instead of it, on this machine, in one run: `python -m train benchmark`."""

"""The verbs of `python -m train`, one file per verb."""

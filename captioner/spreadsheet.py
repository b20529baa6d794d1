"""Texts of strangers in CSV, which spreadsheets would take for formulas and run."""

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def harmless(text: str) -> str:
    """A cell that every spreadsheet takes for text: what is risky gets an apostrophe in front.

    So does what begins with an apostrophe, which lets `as_was` take it away again.
    """
    return f"'{text}" if text.startswith(_RISKY) else text


def as_was(cell: str) -> str:
    """The text that `harmless` made the cell of."""
    return cell.removeprefix("'")

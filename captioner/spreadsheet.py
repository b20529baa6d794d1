"""Text in the cells of a CSV file: a spreadsheet shows it and never computes it."""

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def to_cell(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet would take it for a formula or if it begins with one already."""
    return f"'{text}" if text.startswith(_RISKY) else text


def from_cell(cell: str) -> str:
    """The text that `to_cell` was given."""
    return cell.removeprefix("'")

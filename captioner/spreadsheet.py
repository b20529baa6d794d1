"""Text in the cells of a CSV file: a spreadsheet shows it and never computes it."""

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def to_cell(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet would take it for a formula or if it begins with one already."""
    return f"'{text}" if text.startswith(_RISKY) else text


def from_cell(cell: str) -> str:
    """The text that `to_cell` was given; an apostrophe that it would not have put there stays."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_RISKY) else cell

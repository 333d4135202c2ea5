"""What the formats for people have in common: they are for small views, and are written whole."""

from api.views import View

# In JSON a number takes up to three times its eight bytes, and seconds instead of milliseconds at this size.
MOST_NUMBERS = 4 * 2**20 // 8


def too_large(view: View, format_name: str) -> str | None:
    """The refusal of a view with too many numbers for text."""
    numbers = view.nbytes // view.dtype.itemsize
    if numbers <= MOST_NUMBERS:
        return None
    return (
        f"{format_name} is for small arrays, up to {MOST_NUMBERS:,} numbers, and this one has {numbers:,}:"
        " take application/x-npy, or a block by rows= and cols="
    )

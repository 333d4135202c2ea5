"""Comma-separated values: a line for each row, numbers exactly as they are stored."""

from typing import final

from api.formats.base import Body, Format, TextBody
from api.formats.text import too_large
from api.views import View


@final
class Csv(Format):
    """Without a header line; of an array with more than two axes a line holds all that a row does."""

    name, suffix = "csv", ".csv"
    media_types = ("text/csv",)

    def refuses(self, view: View) -> str | None:
        return too_large(view, "csv")

    def body(self, view: View) -> Body:
        lines = (",".join(map(repr, row)) for panel in view.panels() for row in panel.tolist())
        return TextBody("".join(f"{line}\n" for line in lines))

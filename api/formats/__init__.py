"""The registry of array formats, the default first, and the choice among them."""

from api.formats.arrow import Arrow
from api.formats.base import Body, Chunk, Format
from api.formats.csv import Csv
from api.formats.json import Json
from api.formats.npy import Npy
from api.formats.safetensors import Safetensors
from api.negotiation import Accept
from api.views import View
from contracts.problems import NOT_ACCEPTABLE

__all__ = ["FORMATS", "Body", "Chunk", "Format", "choose"]

FORMATS: tuple[Format, ...] = (Npy(), Safetensors(), Arrow(), Json(), Csv())


def choose(accept: str | None, view: View) -> tuple[Format, str]:
    """The format that the client likes best of those that suit the view, and its media type.

    Raises a not-acceptable problem that says why when there is none.
    """
    wanted = Accept(accept)
    offers = [(wanted.quality(media), form, media) for form in FORMATS for media in form.media_types]
    refusals = []
    for quality, form, media in sorted(offers, key=lambda offer: -offer[0]):
        if quality == 0:
            break
        refusal = form.refuses(view)
        if refusal is None:
            return form, media
        refusals.append(refusal)
    known = ", ".join(form.media_types[0] for form in FORMATS)
    raise NOT_ACCEPTABLE.error("; ".join(dict.fromkeys(refusals)) + "." if refusals else f"Arrays come as {known}.")

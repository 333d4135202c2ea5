"""The requests of the API as values."""

import json
from math import ceil
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import numpy as np

from client.transport import Request, Upload

NPY = "application/x-npy"
Bounds = slice | tuple[int, int] | None


def post(path: str, body: Any = None, *, wait: float = 0.0) -> Request:
    """A POST of JSON that is safe to repeat; `wait`: seconds that the service may take to finish the job."""
    headers = _key(wait)
    if body is None:
        return Request("POST", path, headers=headers, wait=wait)
    typed = headers | {"Content-Type": "application/json"}
    return Request("POST", path, headers=typed, content=to_json(body), wait=wait)


def post_file(path: str, file: Upload, fields: dict[str, Any]) -> Request:
    """A POST of a file with form fields; those that are None are left out, and those that are no text become JSON."""
    form = {name: _text(value) for name, value in fields.items() if value is not None}
    return Request("POST", path, headers=_key(), form=form, file=file)


def get_page(path: str, cursor: str | None, **filters: str | None) -> Request:
    """A page of a listing; `cursor` is the `next` of the page before it."""
    asked = {**filters, "cursor": cursor}
    return Request("GET", path, params={name: value for name, value in asked.items() if value is not None})


def get_array(href: str, rows: Bounds, cols: Bounds) -> Request:
    """An array, or the block rows × cols of it. Raises ValueError for bounds with a step or counted from the end."""
    asked = {"rows": bounds(rows), "cols": bounds(cols)}
    params = {name: text for name, text in asked.items() if text is not None}
    return Request("GET", href, params=params, headers={"Accept": NPY, "Accept-Encoding": "identity"})


def get_parameters(job: str, seed: int, step: int | None) -> Request:
    """θ of a training's network as named tensors; `step` None: at the end."""
    params = {"seed": str(seed)} | ({} if step is None else {"step": str(step)})
    headers = {"Accept-Encoding": "identity"}
    return Request("GET", f"/v1/jobs/{quote(job, safe='')}/parameters", params=params, headers=headers)


def bounds(given: Bounds) -> str | None:
    """`a:b` as the query takes it; an end that is left out is left to the server."""
    if given is None:
        return None
    start, stop, step = (given.start, given.stop, given.step) if isinstance(given, slice) else (*given, None)
    if step not in (None, 1) or (start or 0) < 0 or (stop or 0) < 0:
        raise ValueError("rows and columns are blocks a:b with 0 <= a <= b")
    return f"{'' if start is None else start}:{'' if stop is None else stop}"


def to_json(body: Any) -> bytes:
    """JSON of plain values, NumPy's numbers and arrays, and UUIDs; raises ValueError for numbers that JSON lacks."""
    return json.dumps(body, default=_plain, allow_nan=False).encode()


def _key(wait: float = 0.0) -> dict[str, str]:
    """A key of its own for this POST, and the wish to wait."""
    prefer = {"Prefer": f"wait={ceil(wait)}"} if wait > 0 else {}
    return {"Idempotency-Key": str(uuid4())} | prefer


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, range):
        return list(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")

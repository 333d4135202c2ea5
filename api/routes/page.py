"""GET /: what this is, its addresses, and the newest jobs as they move."""

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import HTMLResponse

import api

router = APIRouter()
PAGE = files(api).joinpath("page.html").read_text(encoding="utf-8")
# Nothing from elsewhere; the page's own script talks to this server alone.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"


@router.head("/", include_in_schema=False)
@router.get("/", response_class=HTMLResponse, include_in_schema=False)
async def page() -> HTMLResponse:
    """A page for browsers, without anything from elsewhere."""
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})

"""Where the `type` of a problem leads: what it means and what to do."""

from html import escape

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from api.documented import problems
from api.negotiation import Accept
from contracts.problems import KINDS, NOT_FOUND, Kind

router = APIRouter(tags=["problems"])
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>:root{{color-scheme:light dark}} body{{font:16px/1.5 system-ui;max-width:42rem;margin:3rem auto;padding:0 1rem}}
</style><h1>{title}</h1>{body}<p><a href="/problems">All problems</a></p></html>"""


@router.head("/problems", include_in_schema=False)
@router.get("/problems", response_class=JSONResponse, summary="Every kind of problem")
async def list_problems(request: Request) -> Response:
    """Names, statuses and meanings; a page for browsers, JSON for others."""
    if _browser(request):
        items = "".join(f'<li><a href="/problems/{k.name}">{escape(k.title)}</a> ({k.status})' for k in KINDS.values())
        return HTMLResponse(PAGE.format(title="Problems", body=f"<ul>{items}</ul>"))
    return JSONResponse({"problems": [_described(kind) for kind in KINDS.values()]})


@router.head("/problems/{name}", include_in_schema=False)
@router.get("/problems/{name}", response_class=JSONResponse, responses=problems(NOT_FOUND), summary="A kind of problem")
async def get_problem(name: str, request: Request) -> Response:
    """What a problem's `type` stands for; a page for browsers, JSON for others."""
    kind = KINDS.get(name)
    if kind is None:
        raise NOT_FOUND.error(f"There is no kind of problem called {name!r}.")
    if _browser(request):
        body = f"<p>{escape(kind.about)}</p><p>HTTP status {kind.status}</p>"
        return HTMLResponse(PAGE.format(title=escape(kind.title), body=body))
    return JSONResponse(_described(kind))


def _browser(request: Request) -> bool:
    accept = Accept(request.headers.get("accept"))
    return accept.quality("text/html") > accept.quality("application/json")


def _described(kind: Kind) -> dict[str, str | int]:
    return {"type": f"/problems/{kind.name}", "title": kind.title, "status": kind.status, "about": kind.about}

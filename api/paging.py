"""A page of a list as a response."""

from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response


def page_response(request: Request, content: str, following: str | None) -> Response:
    """The page's JSON, with a link to the one that follows."""
    headers = {}
    if following is not None:
        query = urlencode(dict(request.query_params) | {"cursor": following})
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    return Response(content, headers=headers, media_type="application/json")

"""The application: `uvicorn api.app:app`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from api import openapi, problems
from api.metrics import Metrics
from api.middleware import BodyLimit, Observed
from api.routes import ROUTERS
from api.services import open_services
from contracts.log import configure_log
from contracts.settings import Settings, settings
from ntk_engine import __version__


def create_app(settings: Settings) -> FastAPI:
    """The whole HTTP layer; it connects to nothing before its lifespan begins."""
    configure_log(settings.log_level)
    # Our own line for each request says what the server's would.
    logging.getLogger("uvicorn.access").disabled = True
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_services(settings, metrics) as services:
            yield {"services": services}

    app = FastAPI(title="ntkd", version=__version__, lifespan=lifespan, redoc_url=None, **openapi.ABOUT)
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    openapi.complete(app)
    # The one added last is the outermost.
    app.add_middleware(BodyLimit, settings=settings)
    app.add_middleware(Observed, metrics=metrics)
    return app


app = create_app(settings())

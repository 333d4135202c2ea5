"""Every route: a new one is a file beside this one and an entry here."""

from api.routes import (
    answers,
    arrays,
    datasets,
    events,
    health,
    jobs,
    kernels,
    networks,
    page,
    parameters,
    predictions,
    problems,
    spectra,
    trainings,
)

ROUTERS = (
    page.router,
    datasets.router,
    kernels.router,
    spectra.router,
    predictions.router,
    answers.router,
    trainings.router,
    jobs.router,
    events.router,
    arrays.router,
    parameters.router,
    networks.router,
    health.router,
    problems.router,
)

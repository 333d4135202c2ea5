"""Requests that are tried again until they are answered, and answers that are read or refused."""

import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from client.errors import ProblemError, Unreachable, problem_of
from client.transport import Exchange, Request, Transport

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# By these the service, or a proxy before it, says that it could not answer now.
BUSY = frozenset({429, 502, 503, 504})


class Busy(ProblemError):  # noqa: N818
    """The service refused for now; `seconds` is its Retry-After, where it sent one."""

    seconds: float = 0.0


# What is worth another attempt.
PASSING = (httpx.TransportError, Busy)


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Attempts:
    """Decides after each failure whether to rest or to give up, which is `patience` seconds after the first one."""

    def __init__(self, url: str, transport: Transport, patience: float) -> None:
        self.failures = 0
        self._url, self._transport, self._patience = url, transport, patience
        self._until = 0.0

    def progressed(self) -> None:
        """Something came: the next failure is a first one again."""
        self.failures = 0

    async def failed(self, error: httpx.TransportError | Busy) -> None:
        """Rest, longer each time and with jitter; raises Unreachable, or the problem, when patience has run out."""
        now = time.monotonic()
        if self.failures == 0:
            self._until = now + self._patience
        if now >= self._until:
            raise self._last(error) from error
        longest = min(FIRST_PAUSE * 2.0**self.failures, LONGEST_PAUSE)
        self.failures += 1
        asked = min(error.seconds, LONGEST_PAUSE) if isinstance(error, Busy) else 0.0
        pause = max(asked, longest * random.uniform(0.5, 1.0))  # noqa: S311
        await self._transport.sleep(min(pause, self._until - now))

    def _last(self, error: httpx.TransportError | Busy) -> Exception:
        if isinstance(error, Busy):
            return ProblemError(error.problem)
        return Unreachable(f"{self._url} does not answer ({str(error) or type(error).__name__})")


class Session:
    """A transport that does not give up at once.

    Every request here may be repeated: reads change nothing, and each POST carries a key by which the service knows it.
    """

    def __init__(self, transport: Transport, url: str, patience: float) -> None:
        self._transport, self._url, self._patience = transport, url, patience

    def attempts(self) -> Attempts:
        """A new count of failures, for one request or one download."""
        return Attempts(self._url, self._transport, self._patience)

    async def call(self, request: Request, attempts: Attempts | None = None) -> Reply:
        """The whole answer, of a status below 400. Raises ProblemError or Unreachable."""
        attempts = attempts or self.attempts()
        while True:
            try:
                async with self.open(request) as exchange:
                    return Reply(exchange.status, exchange.headers, await exchange.read())
            except PASSING as error:
                await attempts.failed(error)

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Exchange]:
        """One attempt at an answer, to be read bit by bit. Raises ProblemError, and PASSING for the caller to count."""
        async with self._transport.open(request) as exchange:
            if exchange.status >= 400:
                raise await _refusal(exchange)
            yield exchange

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()


async def _refusal(exchange: Exchange) -> ProblemError:
    problem = problem_of(exchange.status, await exchange.read())
    if exchange.status not in BUSY:
        return ProblemError(problem)
    busy = Busy(problem)
    asked = exchange.headers.get("retry-after", "")
    busy.seconds = float(asked) if asked.isdigit() else 0.0
    return busy

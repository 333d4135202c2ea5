"""The same client on asyncio's loop."""

import asyncio

import numpy as np
import pytest

import ntkd
from contracts.jobs import State


def test_kernels_are_computed_side_by_side(service_url: str) -> None:
    async def both() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        async with ntkd.AsyncClient(service_url) as client:
            x = await client.dataset(np.random.default_rng(20).standard_normal((40, 3)), name="forty")
            shallow, deep = await asyncio.gather(client.kernel(x, depth=2), client.kernel(x, depth=6))
            spectrum = await client.spectrum(deep)
            return await shallow.ntk, await deep.ntk, await spectrum.eigenvalues

    shallow, deep, values = asyncio.run(both())
    assert shallow.shape == deep.shape == (40, 40)
    np.testing.assert_allclose(values.sum(), np.trace(deep) / 40, rtol=1e-12)


def test_events_and_listings_are_asynchronous_iterators(service_url: str) -> None:
    async def follow() -> tuple[list[State], list[str], str]:
        async with ntkd.AsyncClient(service_url) as client:
            handle = await client.submit_kernel(np.random.default_rng(21).standard_normal((300, 3)))
            states = [event.state async for event in handle.events()]
            return states, [job.id async for job in client.jobs()], handle.id

    states, listed, job = asyncio.run(follow())
    assert states[-1] is State.SUCCEEDED
    assert job in listed


def test_a_waiting_client_leaves_the_loop_to_others(service_url: str) -> None:
    async def wait_and_tick() -> int:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        async with ntkd.AsyncClient(service_url) as client:
            handle = await client.submit_kernel(np.random.default_rng(22).standard_normal((4000, 3)), depth=30)
            other = asyncio.create_task(tick())
            with pytest.raises(ntkd.WaitTimeout):
                await handle.wait(timeout=0.5)
            other.cancel()
            await handle.cancel()
        return ticks

    # Half a second has fifty pauses of 10 ms; a loop that is blocked for it sees one.
    assert asyncio.run(wait_and_tick()) > 5


def test_the_blocking_client_works_inside_a_running_loop(service_url: str) -> None:
    async def notebook() -> tuple[int, ...]:
        with ntkd.Client(service_url) as client:
            return client.kernel([[1.0], [2.0]]).ntk.shape

    assert asyncio.run(notebook()) == (2, 2)

"""Turns the asynchronous classes into blocking ones, method by method, with their signatures kept.

It works for coroutines that never suspend: those over a `BlockingTransport`.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from functools import update_wrapper
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")
CoreT = TypeVar("CoreT")


class Blocking(Generic[CoreT]):
    """A blocking object around the asynchronous one that holds all of its logic and state."""

    def __init__(self, core: CoreT) -> None:
        self._core = core

    def __repr__(self) -> str:
        return repr(self._core).replace(type(self._core).__name__, type(self).__name__, 1)


class Method(Generic[P, T]):
    """A method of a `Blocking` class: `call` runs the asynchronous method on its core."""

    def __init__(self, method: Callable[..., Any], call: Callable[..., T]) -> None:
        def function(self: Blocking[Any], *args: Any, **kwargs: Any) -> T:
            return call(self._core, *args, **kwargs)

        self._function = update_wrapper(function, method)

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], T]: ...
    @overload
    def __get__(self, instance: Blocking[Any], owner: type) -> Callable[P, T]: ...
    def __get__(self, instance: Blocking[Any] | None, owner: type) -> Callable[..., T]:
        return self._function if instance is None else MethodType(self._function, instance)


def blocking(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> Method[P, T]:
    """The blocking form of a method whose result needs no wrapping."""
    return Method(method, lambda *args, **kwargs: run(method(*args, **kwargs)))


def blocking_as(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]], wrap: Callable[[T], U]) -> Method[P, U]:
    """The blocking form of a method whose result is asynchronous itself and becomes `wrap` of it."""
    return Method(method, lambda *args, **kwargs: wrap(run(method(*args, **kwargs))))


def iterating(method: Callable[Concatenate[Any, P], AsyncGenerator[T, None]]) -> Method[P, Iterator[T]]:
    """The blocking form of an asynchronous generator."""
    return Method(method, lambda *args, **kwargs: iterate(method(*args, **kwargs)))


def iterating_as(
    method: Callable[Concatenate[Any, P], AsyncGenerator[T, None]], wrap: Callable[[T], U]
) -> Method[P, Iterator[U]]:
    """The same, each item wrapped."""
    return Method(method, lambda *args, **kwargs: map(wrap, iterate(method(*args, **kwargs))))


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a blocking call suspended; it needs a blocking transport")


def iterate(items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """The items of an asynchronous generator that never suspends; leaving early closes it."""
    end = object()

    async def following() -> T | object:
        return await anext(items, end)

    try:
        while (item := run(following())) is not end:
            yield item  # type: ignore[misc]
    finally:
        run(items.aclose())

"""Kernels of networks from what went through them and back, block by block of pairs of inputs.

The derivatives by the weights of a dense layer are products of what enters it and of δ^ℓ = ∂f/∂α̃^ℓ, so (Section 4)
    Θ_kk'(x, x') = Σ_ℓ [δ^ℓ_k(x)·δ^ℓ_k'(x')] · [σ_w² α^{ℓ-1}(x)·α^{ℓ-1}(x')/n_{ℓ-1} + β²]
and, in standard parametrization, α·α' + 1 in the second bracket: two matrix products a layer, of blocks that stay in a
core's cache until they are summed. Of a Gram matrix those on and above the diagonal are computed and mirrored. Where
processors have wide vectors they are compiled (compiled/pairs.cpp); elsewhere they are the BLAS's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from ntk_engine import compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from ntk_engine.finite.reverse import Passed, Term

__all__ = ["mirrored", "nngp", "tangent"]

# Sides of blocks on the diagonal, which are computed as a whole, and of others.
_LEAST, _MOST = 128, 256
_LEAST_ON_GPU, _MOST_ON_GPU = 1024, 4096


class Pairs(NamedTuple):
    """A block of pairs of inputs."""

    rows: slice
    cols: slice
    diagonal: bool
    """Whether both are the same inputs."""


def _pairs(rows: int, cols: int, device: torch.device, *, gram: bool, readouts: int = 1) -> Iterator[Pairs]:
    """Blocks that cover a matrix or, of a Gram matrix, what lies on and above its diagonal."""
    least, most = (_LEAST, _MOST) if device.type == "cpu" else (_LEAST_ON_GPU, _MOST_ON_GPU)
    if gram:
        # With several readouts, most of a block on the diagonal is above the diagonal of the whole.
        yield from _triangle(0, rows, least if readouts == 1 else most, most)
    else:
        yield from _rectangle(0, rows, 0, cols, most)


def _rectangle(row: int, row_end: int, col: int, col_end: int, most: int) -> Iterator[Pairs]:
    for i in range(row, row_end, most):
        for j in range(col, col_end, most):
            yield Pairs(slice(i, min(i + most, row_end)), slice(j, min(j + most, col_end)), diagonal=False)


def _triangle(first: int, last: int, least: int, most: int) -> Iterator[Pairs]:
    if last - first <= least:
        yield Pairs(slice(first, last), slice(first, last), diagonal=True)
        return
    # Halves of whole blocks.
    middle = first + -(-(last - first) // (2 * least)) * least
    yield from _triangle(first, middle, least, most)
    yield from _rectangle(first, middle, middle, last, most)
    yield from _triangle(middle, last, least, most)


def tangent(a: Passed, b: Passed, out: Tensor, *, full: bool) -> None:
    """Write Θ of all pairs of inputs; a and b are the same object for a Gram matrix, whose halves have the same bits.

    out: …×r×N1×r×N2, of every two of the readouts v·f, or, not full, …×N1×N2, the sum of the kernels of each.
    """
    if _compiled(a, b, out, full=full):
        return
    readouts = out.shape[-2] if full else 1
    for block in _pairs(out.shape[-3 if full else -2], out.shape[-1], out.device, gram=a is b, readouts=readouts):
        weights = [_weights(x, y, block) for x, y in zip(a.terms, b.terms, strict=True)]
        if full:
            _every(a, b, weights, block, out)
        else:
            place = out[..., block.rows, block.cols]
            _total(a, b, weights, lambda x, y: _trace(x, y, block), place)  # noqa: B023
            if a is b:
                _mirror(place, out[..., block.cols, block.rows], block)


def _compiled(a: Passed, b: Passed, out: Tensor, *, full: bool) -> bool:
    """Do it in one compiled pass, where there is one."""
    whole = out if out.dim() == (5 if full else 3) else out.unsqueeze(0)
    factors = [_factors(x, y, len(whole)) for x, y in zip(a.terms, b.terms, strict=True)]
    return compiled.pairs(factors, whole, gram=a is b)


def _factors(a: Term, b: Term, networks: int) -> compiled.Factors:
    alphas = a.alpha.expand(networks, -1, -1), b.alpha.expand(networks, -1, -1)
    deltas = a.delta.expand(networks, -1, -1, -1), b.delta.expand(networks, -1, -1, -1)
    return compiled.Factors(alphas, deltas, a.gain * b.gain, a.bias * b.bias)


def nngp(f1: Tensor, f2: Tensor, out: Tensor, *, full: bool) -> None:
    """Write f_k(x) f_k'(x') (…×k×N1×k×N2) or, not full, the mean of f_k(x) f_k(x') (…×N1×N2); f1 and f2: …×N×k."""
    if full:
        torch.mul(f1.mT[..., None, None], f2.mT[..., None, None, :, :], out=out)
        return
    for block in _pairs(out.shape[-2], out.shape[-1], out.device, gram=f1 is f2):
        product, place = f1[..., block.rows, :] @ f2[..., block.cols, :].mT, out[..., block.rows, block.cols]
        torch.div(product, f1.shape[-1], out=place)
        if f1 is f2:
            _mirror(place, out[..., block.cols, block.rows], block)


def _weights(a: Term, b: Term, block: Pairs) -> Tensor:
    """σ_w² α·α'/n + β²."""
    product = a.alpha[..., block.rows, :] @ b.alpha[..., block.cols, :].mT
    return product.mul_(a.gain * b.gain).add_(a.bias * b.bias)


def _trace(a: Term, b: Term, block: Pairs) -> Tensor:
    """Σ_v δ_v·δ_v'."""
    one, other = _of(a, block.rows), _of(b, block.cols)
    total = one[..., 0, :, :] @ other[..., 0, :, :].mT
    for v in range(1, one.shape[-3]):
        total += one[..., v, :, :] @ other[..., v, :, :].mT
    return total


def _of(term: Term, inputs: slice) -> Tensor:
    """δ of these inputs."""
    return term.delta if term.delta.shape[-2] == 1 else term.delta[..., inputs, :]


def _total(a: Passed, b: Passed, weights: Sequence[Tensor], each: Callable[[Term, Term], Tensor], out: Tensor) -> None:
    """Write Σ_ℓ of products entry by entry."""
    for number, (x, y, weight) in enumerate(zip(a.terms, b.terms, weights, strict=True)):
        if number == 0:
            torch.mul(each(x, y), weight, out=out)
        else:
            out.addcmul_(each(x, y), weight)


def _every(a: Passed, b: Passed, weights: Sequence[Tensor], block: Pairs, out: Tensor) -> None:
    """Of every two readouts, the second ones in groups where blocks are of all its inputs and small."""
    readouts, inputs = out.shape[-2], out.shape[-1]
    size = block.cols.stop - block.cols.start
    group = max(1, _MOST // size) if size == inputs else 1
    beside = [weight.unsqueeze(-2) for weight in weights]
    for p in range(readouts):
        for q in range(p if block.diagonal else 0, readouts, group):
            some = slice(q, min(q + group, readouts))
            place = out[..., p, block.rows, some, block.cols]
            _total(a, b, beside, lambda x, y: _group(x, y, block, p, some), place)  # noqa: B023
            if a is b:
                own = 1 if block.diagonal and q == p else 0
                if own:
                    _mirror(place[..., 0, :], place[..., 0, :], block)
                out[..., some, block.cols, p, block.rows][..., own:, :, :] = place[..., own:, :].movedim(-3, -1)


def _group(a: Term, b: Term, block: Pairs, p: int, some: slice) -> Tensor:
    """δ_p·δ_q', …×N1×q×N2."""
    one, other = _of(a, block.rows)[..., p, :, :], _of(b, block.cols)[..., some, :, :]
    return (one @ other.flatten(-3, -2).mT).view(*one.shape[:-1], *other.shape[-3:-1])


def _mirror(above: Tensor, below: Tensor, block: Pairs) -> None:
    """Put a block of a Gram matrix on the other side of the diagonal too."""
    below.copy_(mirrored(above) if block.diagonal else above.mT)


def mirrored(square: Tensor) -> Tensor:
    """A matrix with its upper triangle below its diagonal too."""
    return square.triu() + square.triu(1).mT

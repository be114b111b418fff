"""Makes plain loops machine code: the one place that says how numba is used."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numba

_PORTION = 512

_Loop = TypeVar("_Loop", bound=Callable[..., Any])  # Any: a loop may return whatever its caller expects


def compiled(loop: _Loop) -> _Loop:
    """The loop as machine code, made at its first call or read from the cache beside its source file.

    The interpreter lock is released while it runs. Arithmetic is that of the source, in its order: the same input gives
    the same bytes. The cache is trusted as far as the code beside which it lies, like Python's own compiled files.
    """
    return cast("_Loop", numba.njit(nogil=True, cache=True)(loop))  # called like the original


def compiled_loosely(loop: _Loop) -> _Loop:
    """The same; sums may be reordered to use vector instructions, while NaN and infinity keep their meaning."""
    fast = numba.njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
    return cast("_Loop", fast(loop))  # called like the original


def on_all_cores(work: Callable[..., None], count: int) -> None:
    """Calls work(first=, last=) for portions of `count`; each writes to places of its own, so order is no matter."""

    def portion(first: int) -> None:
        work(first=first, last=min(first + _PORTION, count))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(portion, range(0, count, _PORTION)))  # the list raises what a portion raised

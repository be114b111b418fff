"""An executor of one daemon thread: a disk that hangs must not keep the process alive, as a pool's threads would."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_Call = tuple["Future[Any]", Callable[[], Any]]  # Any: each call has a type of its own


class OneThread(Executor):
    """Carries out calls one after the other. The thread begins with the first call and ends at `shutdown`."""

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def submit(self, call: Callable[P, T], /, *arguments: P.args, **named: P.kwargs) -> "Future[T]":
        """The outcome to come. Meant for one event loop: two threads that submit first would both begin."""
        future: Future[T] = Future()
        self._calls.put((future, partial(call, *arguments, **named)))
        if self._thread.ident is None:
            self._thread.start()
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - theirs
        """Lets the thread end after what was submitted; nobody waits for it, and nothing is cancelled."""
        del wait, cancel_futures
        self._calls.put(None)

    def _run(self) -> None:
        while (next_call := self._calls.get()) is not None:
            future, call = next_call
            if not future.set_running_or_notify_cancel():
                continue
            try:
                outcome = call()
            except BaseException as error:  # noqa: BLE001 - handed on whole to whoever waits, as executors do
                future.set_exception(error)
            else:
                future.set_result(outcome)
            del next_call, future, call

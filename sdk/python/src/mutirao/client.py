"""The client for programs without an event loop: the same calls, each of which returns when it is done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from . import aio
from .aio import Task

T = TypeVar("T")


class Client:
    """As `mutirao.aio.Client`, whose arguments and errors these are. May be used by several threads."""

    def __init__(self, orchestrators: Sequence[str] | None = None, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mutirao", daemon=True)
        self._thread.start()

        async def make() -> aio.Client:
            return aio.Client(orchestrators, **options)

        try:
            self._client = self._wait(make())
        except BaseException:
            self._stop()
            raise

    def _wait(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._wait(self._client.close())
        self._stop()

    def submit(self, task: Task, *, allow_unknown_handler: bool = False) -> str:
        return self._wait(self._client.submit(task, allow_unknown_handler=allow_unknown_handler))

    def submit_many(self, tasks: Iterable[Task], *, allow_unknown_handler: bool = False) -> list[str]:
        return self._wait(self._client.submit_many(tasks, allow_unknown_handler=allow_unknown_handler))

    def state(self, task_id: str) -> str:
        return self._wait(self._client.state(task_id))

    def cancel(self, task_id: str) -> None:
        self._wait(self._client.cancel(task_id))

    def result(self, task_id: str) -> bytes:
        return self._wait(self._client.result(task_id))

    def gather(self, task_ids: Sequence[str]) -> list[bytes]:
        return self._wait(self._client.gather(task_ids))

    def map(self, handler: str, payloads: Iterable[bytes], **terms: Any) -> list[bytes]:
        return self._wait(self._client.map(handler, payloads, **terms))

    def as_completed(self, task_ids: Iterable[str]) -> Iterator[tuple[str, bytes | Exception]]:
        updates = self._client.as_completed(task_ids)
        while True:
            try:
                yield self._wait(anext(updates))
            except StopAsyncIteration:
                return

"""The client for asyncio."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

import grpc

from . import _blobs
from ._targets import Backoff, Targets
from .errors import MutiraoError, TaskFailed, of_status
from .v1 import task_pb2, task_pb2_grpc

T = TypeVar("T")

DEFAULT_ORCHESTRATORS = ("localhost:50051", "localhost:50052")
#: Seconds that a try may take before another orchestrator is asked: a small request, and one that may be megabytes.
TRY, BULK_TRY = 2.0, 5.0
#: Of one request.
BATCH_TASKS, BATCH_BYTES = 5_000, 4 << 20
BATCHES_IN_FLIGHT = 4
#: Ids in one watch.
WATCHED = 5_000
#: A watch may be silent for so long before it is asked whether another one is principal.
SILENCE = 2.0
#: A longer payload goes ahead of its task, as a blob.
MAX_PAYLOAD = 4 << 20
#: How often what the orchestrators have lost is put once more.
RESENDS = 3

_FINAL = {
    task_pb2.TASK_STATE_SUCCEEDED,
    task_pb2.TASK_STATE_FAILED,
    task_pb2.TASK_STATE_CANCELLED,
    task_pb2.TASK_STATE_LOST,
}


def new_task_id() -> str:
    """A UUID of version 7: ids that ascend in time."""
    bits = time.time_ns() // 1_000_000 << 80 | 7 << 76 | secrets.randbits(12) << 64
    return str(uuid.UUID(int=bits | 2 << 62 | secrets.randbits(62)))


@dataclass(frozen=True)
class Task:
    """What is to be done."""

    handler: str
    payload: bytes = b""
    #: Chosen here, so that a repeated submission is recognised.
    task_id: str = field(default_factory=new_task_id)
    queue: str = ""
    priority: int = 0
    at_most_once: bool = False
    group: str = ""

    def _spec(self) -> task_pb2.TaskSpec:
        is_long = len(self.payload) > MAX_PAYLOAD
        delivery = task_pb2.DELIVERY_AT_MOST_ONCE if self.at_most_once else task_pb2.DELIVERY_AT_LEAST_ONCE
        return task_pb2.TaskSpec(
            task_id=self.task_id,
            handler=self.handler,
            payload=b"" if is_long else self.payload,
            payload_blob=_blobs.reference(self.payload) if is_long else None,
            queue=self.queue,
            priority=self.priority,
            delivery=delivery,
            group=self.group,
        )


def _credentials(user: str | None, token: str | None) -> list[tuple[str, str]]:
    user, token = user or os.environ.get("MUTIRAO_USER"), token or os.environ.get("MUTIRAO_TOKEN")
    if not user or not token:
        raise ValueError("user and token are needed: as arguments, or MUTIRAO_USER and MUTIRAO_TOKEN")
    return [("mutirao-user", user), ("mutirao-token", token)]


def _orchestrators(given: Sequence[str] | None) -> Sequence[str]:
    named = os.environ.get("MUTIRAO_ORCHESTRATORS")
    return given or (named.split(",") if named else DEFAULT_ORCHESTRATORS)


class Client:
    """Submits tasks, waits for them, and follows the principal through failovers. To be used within one event loop.

    `timeout` is in seconds, for a whole call with all its tries.
    """

    def __init__(
        self,
        orchestrators: Sequence[str] | None = None,
        *,
        user: str | None = None,
        token: str | None = None,
        timeout: float = 30.0,
        root_certificates: bytes | None = None,
    ) -> None:
        credentials = grpc.ssl_channel_credentials(root_certificates) if root_certificates else None
        metadata = _credentials(user, token)
        self._targets = Targets(_orchestrators(orchestrators), metadata, timeout, credentials)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._targets.close()

    async def submit(self, task: Task, *, allow_unknown_handler: bool = False) -> str:
        """Submits one task; gives the id under which it is known. Repeated by itself until it is accepted or refused: the id
        keeps it from being accepted twice. Raises `MutiraoError`."""
        request = task_pb2.SubmitTaskRequest(task=task._spec(), allow_unknown_handler=allow_unknown_handler)

        async def send() -> task_pb2.SubmitTaskResponse:
            return await self._targets.call(
                lambda channel: task_pb2_grpc.TaskOrchestratorStub(channel).SubmitTask(
                    request, metadata=self._targets.metadata
                ),
                lambda answer: answer.receipt.epoch,
                TRY if len(task.payload) <= 64 << 10 else BULK_TRY,
            )

        return (await self._putting([task], send)).task.task_id

    async def _putting(self, tasks: Sequence[Task], send: Callable[[], Awaitable[T]]) -> T:
        """With the long payloads put before it, once they turn out to be missing."""
        long = [task.payload for task in tasks if len(task.payload) > MAX_PAYLOAD]
        for _ in range(RESENDS):
            try:
                return await send()
            except MutiraoError as refusal:
                if refusal.reason != "BLOB_NOT_FOUND" or not long:
                    raise
            for payload in long:
                await _blobs.put(self._targets, payload)
        return await send()

    async def submit_many(self, tasks: Iterable[Task], *, allow_unknown_handler: bool = False) -> list[str]:
        """Submits many in requests of bounded size, some of them at the same time; gives their ids, in order."""
        room = asyncio.Semaphore(BATCHES_IN_FLIGHT)

        async def send(batch: list[Task]) -> None:
            specs = [task._spec() for task in batch]
            request = task_pb2.SubmitTasksRequest(tasks=specs, allow_unknown_handler=allow_unknown_handler)

            async def once() -> task_pb2.SubmitTasksResponse:
                return await self._targets.call(
                    lambda channel: task_pb2_grpc.TaskOrchestratorStub(channel).SubmitTasks(
                        request, metadata=self._targets.metadata
                    ),
                    lambda answer: answer.receipt.epoch,
                    BULK_TRY,
                )

            async with room:
                await self._putting(batch, once)

        ids: list[str] = []
        under_way = []
        for batch in _batches(tasks):
            ids.extend(task.task_id for task in batch)
            under_way.append(asyncio.ensure_future(send(batch)))
        try:
            await asyncio.gather(*under_way)
        finally:
            for sending in under_way:
                sending.cancel()
        return ids

    async def state(self, task_id: str) -> str:
        """QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED or LOST."""
        request = task_pb2.GetTaskRequest(task_id=task_id)
        answer = await self._targets.call(
            lambda channel: task_pb2_grpc.TaskOrchestratorStub(channel).GetTask(
                request, metadata=self._targets.metadata
            ),
            lambda answer: answer.receipt.epoch,
            TRY,
        )
        return _word(answer.task.state)

    async def cancel(self, task_id: str) -> None:
        """Ends a task that is not finished. Raises `MutiraoError` with `TASK_FINISHED` otherwise."""
        request = task_pb2.CancelTaskRequest(task_id=task_id)
        await self._targets.call(
            lambda channel: task_pb2_grpc.TaskOrchestratorStub(channel).CancelTask(
                request, metadata=self._targets.metadata
            ),
            lambda answer: answer.receipt.epoch,
            TRY,
        )

    async def result(self, task_id: str) -> bytes:
        """Waits for the end, however long that takes; raises `TaskFailed` where it is another than success."""
        async for _, outcome in self.as_completed([task_id]):
            if isinstance(outcome, Exception):
                raise outcome
            return outcome
        raise MutiraoError("TASK_NOT_FOUND", task_id)

    async def gather(self, task_ids: Sequence[str]) -> list[bytes]:
        """The results of all, in order; raises the first failure."""
        found: dict[str, bytes] = {}
        async for task_id, outcome in self.as_completed(task_ids):
            if isinstance(outcome, Exception):
                raise outcome
            found[task_id] = outcome
        return [found[task_id] for task_id in task_ids]

    async def map(self, handler: str, payloads: Iterable[bytes], **terms: object) -> list[bytes]:
        """A task for each payload; their results in order."""
        tasks = [Task(handler, payload, **terms) for payload in payloads]  # type: ignore[arg-type]
        return await self.gather(await self.submit_many(tasks))

    async def as_completed(self, task_ids: Iterable[str]) -> AsyncIterator[tuple[str, bytes | Exception]]:
        """Each of these tasks once, when it has ended, with its result or why there is none."""
        ids = list(dict.fromkeys(task_ids))
        for start in range(0, len(ids), WATCHED):
            left = set(ids[start : start + WATCHED])
            async for update in self._watch(left):
                yield update

    async def _watch(self, left: set[str]) -> AsyncIterator[tuple[str, bytes | Exception]]:
        """Until each of them has ended; through failovers."""
        pauses, deadline = Backoff(), time.monotonic() + self._targets.timeout
        while left:
            target = self._targets.present
            stub = task_pb2_grpc.TaskOrchestratorStub(target.channel)
            request = task_pb2.WatchTasksRequest(task_ids=sorted(left), include_results=True, only_ends=True)
            stream = stub.WatchTasks(request, metadata=self._targets.metadata)
            try:
                while left:
                    read = asyncio.ensure_future(stream.read())
                    while not (await asyncio.wait({read}, timeout=SILENCE))[0]:
                        if await self._targets.elected_elsewhere(target):
                            read.cancel()
                            raise MutiraoError("NOT_PRIMARY", "another one is principal")
                    message = read.result()
                    if message is grpc.aio.EOF:
                        raise MutiraoError("UNAVAILABLE", "the watch ended early")
                    pauses, deadline = Backoff(), time.monotonic() + self._targets.timeout
                    for update in message.updates:
                        task_id = update.task.task_id
                        if task_id in left and (update.not_found or update.task.state in _FINAL):
                            left.discard(task_id)
                            yield task_id, await self._outcome(update)
            except (grpc.aio.AioRpcError, MutiraoError) as error:
                refusal = of_status(error) if isinstance(error, grpc.aio.AioRpcError) else error
                if not refusal.is_retried or time.monotonic() >= deadline:
                    raise refusal from None
                self._targets.move_on(target, refusal.principal)
                await pauses.sleep()
            finally:
                stream.cancel()

    async def _outcome(self, update: task_pb2.TaskUpdate) -> bytes | Exception:
        task = update.task
        if update.not_found:
            return MutiraoError("TASK_NOT_FOUND", task.task_id)
        result = update.result
        if update.HasField("result_blob"):
            result = await _blobs.get(self._targets, update.result_blob)
        if task.state == task_pb2.TASK_STATE_SUCCEEDED:
            return result
        return TaskFailed(task.task_id, _word(task.state), task.error.code, task.error.message, result)


def _word(state: int) -> str:
    return task_pb2.TaskState.Name(state).removeprefix("TASK_STATE_")


def _batches(tasks: Iterable[Task]) -> Iterable[list[Task]]:
    batch: list[Task] = []
    size = 0
    for task in tasks:
        if batch and (len(batch) == BATCH_TASKS or size + len(task.payload) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(task)
        size += len(task.payload)
    if batch:
        yield batch

"""Finding the principal: one loop for every call, and what is remembered between calls (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

import grpc

from .errors import OF_THE_PRINCIPAL, MutiraoError, of_status
from .v1 import cluster_pb2, cluster_pb2_grpc

T = TypeVar("T")

#: Seconds: the pause between two tries, at first and at most.
PAUSE, LONGEST_PAUSE = 0.005, 0.25
#: So long one orchestrator may take before others are asked whether they are principal, and how often they are asked.
PATIENCE, LOOK = 0.5, 0.1
#: Refusals that name another one, followed without a pause.
MAX_HOPS = 2
MAX_MESSAGE_BYTES = 16 << 20

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 2_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.enable_retries", 0),
    # Another orchestrator is asked meanwhile.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
]


class Target:
    """One orchestrator."""

    def __init__(self, address: str, place: int, credentials: grpc.ChannelCredentials | None) -> None:
        self.address, self.place = address, place
        parts = urlsplit(address)
        where = f"{parts.hostname}:{parts.port or 50051}"
        if parts.scheme == "https":
            credentials = credentials or grpc.ssl_channel_credentials()
            self.channel = grpc.aio.secure_channel(where, credentials, _OPTIONS)
        else:
            self.channel = grpc.aio.insecure_channel(where, _OPTIONS)


def canonical(address: str) -> str:
    """With a scheme."""
    return address if "://" in address else f"http://{address}"


def is_principal(answer: cluster_pb2.GetClusterResponse) -> bool:
    return any(node.answering and node.role == cluster_pb2.NODE_ROLE_PRINCIPAL for node in answer.nodes)


class Targets:
    """The orchestrators, and which of them answered last as principal."""

    def __init__(
        self,
        addresses: Sequence[str],
        metadata: Sequence[tuple[str, str]],
        timeout: float,
        credentials: grpc.ChannelCredentials | None,
    ) -> None:
        if not addresses:
            raise ValueError("no orchestrator is given")
        self._credentials = credentials
        self.metadata = tuple(metadata)
        self.timeout = timeout
        self._configured = [Target(canonical(a), n, credentials) for n, a in enumerate(addresses)]
        self._named: dict[str, Target] = {}
        self.present = self._configured[0]
        self._highest_epoch = 0

    async def close(self) -> None:
        for target in (*self._configured, *self._named.values()):
            await target.channel.close()

    def believes(self, epoch: int) -> bool:
        """False when an answer is of a fenced principal."""
        self._highest_epoch = max(self._highest_epoch, epoch)
        return epoch >= self._highest_epoch

    async def call(
        self,
        call: Callable[[grpc.aio.Channel], Awaitable[T]],
        epoch: Callable[[T], int | None],
        try_timeout: float,
    ) -> T:
        """Tries until an answer comes that counts, or the time is up. Raises the refusal."""
        deadline = time.monotonic() + self.timeout
        pauses, hops = Backoff(), 0
        last: MutiraoError | None = None
        while True:
            target = self.present
            limit = min(try_timeout, deadline - time.monotonic())
            try:
                answer = await self._patiently(target, call(target.channel), limit)
            except MutiraoError as refusal:
                last = refusal if last is None or limit >= try_timeout else last
            else:
                number = epoch(answer)
                if number is None or self.believes(number):
                    return answer
                last = MutiraoError("STALE_EPOCH", "the answer is of an earlier epoch")
            if not last.is_retried:
                raise last
            here = last.principal is not None and canonical(last.principal) == target.address
            if last.reason not in OF_THE_PRINCIPAL and not here:
                self.move_on(target, last.principal)
            if last.principal is not None and not here and hops < MAX_HOPS:
                hops += 1
                continue
            hops = 0
            pause = max(PAUSE if here else pauses.next(), last.retry_after or 0)
            if time.monotonic() + pause >= deadline:
                raise last if last.reason != "STALE_EPOCH" else MutiraoError("UNAVAILABLE", last.message)
            await asyncio.sleep(pause)

    async def _patiently(self, target: Target, answer: Awaitable[T], limit: float) -> T:
        """The answer, unless another one turns out to be principal while this one is silent."""
        asked = asyncio.ensure_future(answer)
        deadline = time.monotonic() + limit
        wait = PATIENCE
        try:
            while (left := deadline - time.monotonic()) > 0:
                done, _ = await asyncio.wait({asked}, timeout=min(wait, left))
                if done:
                    try:
                        return asked.result()
                    except grpc.aio.AioRpcError as error:
                        raise of_status(error) from error
                if time.monotonic() < deadline and await self.elected_elsewhere(target):
                    raise MutiraoError("NOT_PRIMARY", "another one is principal", self.present.address)
                wait = LOOK
            raise MutiraoError("UNAVAILABLE", f"{target.address} did not answer in time")
        finally:
            asked.cancel()

    async def elected_elsewhere(self, silent: Target) -> bool:
        """Another one says that it is principal; that one is present from now on."""
        for other in self._configured:
            if other is silent:
                continue
            stub = cluster_pb2_grpc.ClusterServiceStub(other.channel)
            question = stub.GetCluster(cluster_pb2.GetClusterRequest(), metadata=self.metadata, timeout=PATIENCE)
            try:
                answer = await question
            except grpc.aio.AioRpcError:
                # Whoever cannot say that it is principal is none to go to.
                continue
            if is_principal(answer) and self.believes(answer.epoch):
                self.present = other
                return True
        return False

    def move_on(self, left: Target, principal: str | None) -> None:
        """To whom a refusal names, or else the next; only one of many calls that run moves on."""
        if self.present is not left:
            return
        named = canonical(principal) if principal else None
        if named is not None:
            known = next((t for t in self._configured if t.address == named), None)
            if known is None:
                known = self._named.setdefault(named, Target(named, left.place, self._credentials))
            self.present = known
        else:
            self.present = self._configured[(left.place + 1) % len(self._configured)]


class Backoff:
    """Doubling pauses, each a random part of its length."""

    def __init__(self) -> None:
        self._pause = PAUSE

    def next(self) -> float:
        pause = self._pause * random.uniform(0.5, 1.0)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return pause

    async def sleep(self) -> None:
        await asyncio.sleep(self.next())

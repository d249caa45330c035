"""Payloads and results that no message holds."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import grpc
from blake3 import blake3

from ._targets import Backoff, Targets
from .errors import MutiraoError, of_status
from .v1 import blob_pb2, blob_pb2_grpc, task_pb2

#: Bytes of one message, at most 1 MiB.
CHUNK = 256 << 10
#: How often another content than the name says is fetched anew.
MAX_OTHER = 3


def reference(content: bytes) -> task_pb2.BlobRef:
    return task_pb2.BlobRef(id=blake3(content).digest(), bytes=len(content))


async def put(targets: Targets, content: bytes) -> None:
    """Returns when the orchestrators have it."""

    async def messages() -> AsyncIterator[blob_pb2.PutBlobRequest]:
        yield blob_pb2.PutBlobRequest(blob=reference(content))
        for start in range(0, len(content), CHUNK):
            yield blob_pb2.PutBlobRequest(chunk=content[start : start + CHUNK])

    await targets.call(
        lambda channel: blob_pb2_grpc.BlobServiceStub(channel).PutBlob(messages(), metadata=targets.metadata),
        lambda _: None,
        targets.timeout,
    )


async def get(targets: Targets, blob: task_pb2.BlobRef) -> bytes:
    """All of it, resumed where a stream broke."""
    for _ in range(MAX_OTHER):
        content = await _fetch(targets, blob)
        if len(content) == blob.bytes and blake3(content).digest() == blob.id:
            return content
    raise MutiraoError("BLOB_DAMAGED", f"blob {blob.id.hex()} comes as another content")


async def _fetch(targets: Targets, blob: task_pb2.BlobRef) -> bytes:
    content = bytearray()
    pauses, deadline = Backoff(), time.monotonic() + targets.timeout
    while len(content) < blob.bytes:
        target, before = targets.present, len(content)
        stub = blob_pb2_grpc.BlobServiceStub(target.channel)
        ask = blob_pb2.GetBlobRequest(id=blob.id, offset=len(content))
        try:
            async for part in stub.GetBlob(ask, metadata=targets.metadata):
                content += part.chunk
        except grpc.aio.AioRpcError as error:
            refusal = of_status(error)
            if not refusal.is_retried or refusal.reason == "BLOB_DAMAGED":
                raise refusal from error
            targets.move_on(target, refusal.principal)
        if len(content) > before:
            pauses, deadline = Backoff(), time.monotonic() + targets.timeout
        elif time.monotonic() >= deadline:
            raise MutiraoError("UNAVAILABLE", f"nothing of blob {blob.id.hex()} came")
        if len(content) < blob.bytes:
            await pauses.sleep()
    return bytes(content)

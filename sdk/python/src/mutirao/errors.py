"""Why a call failed, by the words of docs/errors.md."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "mutirao"

#: The same request may succeed later, or at another orchestrator.
RETRIED = frozenset(
    {
        "TLS_FAILED",
        "NOT_PRIMARY",
        "UNAVAILABLE",
        "STALE_EPOCH",
        "WORKER_ID_TAKEN",
        "BLOB_DAMAGED",
        "BLOB_STORE_FULL",
        "BLOB_STORE_AWAY",
        "QUEUE_FULL",
        "QUOTA_EXCEEDED",
        "RATE_LIMITED",
        "OVERLOADED",
        "WATCH_LAGGED",
    }
)
#: The principal itself says so, and nobody else can say more.
OF_THE_PRINCIPAL = frozenset(
    {
        "QUEUE_FULL",
        "QUOTA_EXCEEDED",
        "RATE_LIMITED",
        "OVERLOADED",
        "WATCH_LAGGED",
        "BLOB_STORE_FULL",
        "BLOB_STORE_AWAY",
    }
)

_NEAREST = {
    grpc.StatusCode.INVALID_ARGUMENT: "INVALID_ARGUMENT",
    grpc.StatusCode.OUT_OF_RANGE: "INVALID_ARGUMENT",
    grpc.StatusCode.NOT_FOUND: "TASK_NOT_FOUND",
    grpc.StatusCode.ALREADY_EXISTS: "TASK_ID_CONFLICT",
    grpc.StatusCode.PERMISSION_DENIED: "PERMISSION_DENIED",
    grpc.StatusCode.UNAUTHENTICATED: "UNAUTHENTICATED",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "OVERLOADED",
    grpc.StatusCode.FAILED_PRECONDITION: "NOT_PRIMARY",
    grpc.StatusCode.UNIMPLEMENTED: "NOT_AN_ORCHESTRATOR",
    grpc.StatusCode.DATA_LOSS: "INTERNAL",
}


@dataclass
class MutiraoError(Exception):
    """A refusal, or that nobody answered in time: then a submission may or may not have been accepted."""

    #: A word of docs/errors.md: what programs decide by.
    reason: str
    #: English, for developers.
    message: str
    #: Where the refusing node believes the principal to be.
    principal: str | None = None
    #: Seconds to wait before asking again, where the refusing node says so.
    retry_after: float | None = None

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"

    @property
    def is_retried(self) -> bool:
        """The same request may succeed later, or at another orchestrator."""
        return self.reason in RETRIED


class TaskFailed(Exception):
    """A task ended otherwise than by success: FAILED, CANCELLED or LOST."""

    def __init__(self, task_id: str, state: str, code: str, message: str, output: bytes) -> None:
        super().__init__(f"{task_id} {state}: {code} {message}".rstrip())
        self.task_id, self.state, self.code, self.message, self.output = task_id, state, code, message, output


def of_status(error: grpc.aio.AioRpcError) -> MutiraoError:
    """What a status means; of one that no orchestrator made, the nearest."""
    text = error.details() or ""
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            try:
                status.ParseFromString(value)
            except DecodeError:
                status.Clear()
    found, retry_after = None, None
    for detail in status.details:
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            found = info
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    if found is not None:
        principal = found.metadata.get("principal")
        return MutiraoError(found.reason, text, principal, retry_after)
    return MutiraoError(_NEAREST.get(error.code(), "UNAVAILABLE"), text)

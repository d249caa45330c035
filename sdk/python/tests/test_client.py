"""What a program does with the client, at a real cluster."""

from __future__ import annotations

import asyncio

import mutirao
import pytest
from conftest import USER, Cluster
from mutirao import Client, MutiraoError, Task, TaskFailed, aio


def test_a_task_gives_its_result_and_is_not_done_twice(client: Client) -> None:
    task = Task("echo", b"hello")
    assert client.submit(task) == task.task_id
    assert client.result(task.task_id) == b"hello"
    assert client.submit(task) == task.task_id, "a repetition is no news"
    assert client.state(task.task_id) == "SUCCEEDED"
    with pytest.raises(MutiraoError, match="TASK_ID_CONFLICT"):
        client.submit(Task("echo", b"another", task_id=task.task_id))


def test_results_come_in_the_order_of_their_payloads(client: Client) -> None:
    payloads = [str(number).encode() for number in range(12_000)]
    assert client.map("echo", payloads) == payloads


def test_what_no_message_holds_goes_and_comes(client: Client) -> None:
    payload = bytes(range(256)) * (6 << 12)
    assert client.result(client.submit(Task("echo", payload))) == payload
    assert client.map("echo", [payload, b"short"]) == [payload, b"short"]


def test_a_failure_says_why(client: Client) -> None:
    task = Task("simulated", b'{"fail": true}')
    client.submit(task)
    with pytest.raises(TaskFailed) as failed:
        client.result(task.task_id)
    assert (failed.value.state, failed.value.code) == ("FAILED", "HANDLER_ERROR")


def test_a_cancelled_task_is_told_as_such(client: Client) -> None:
    task = Task("simulated", b'{"seconds": 600}')
    client.submit(task)
    client.cancel(task.task_id)
    with pytest.raises(TaskFailed, match="CANCELLED"):
        client.result(task.task_id)


def test_refusals_have_their_reason(cluster: Cluster, client: Client) -> None:
    with pytest.raises(MutiraoError) as unknown:
        client.result(mutirao.new_task_id())
    assert unknown.value.reason == "TASK_NOT_FOUND"
    with Client(cluster.orchestrators, user="user1", token="another") as stranger:
        with pytest.raises(MutiraoError) as refused:
            stranger.submit(Task("echo"))
    assert refused.value.reason == "UNAUTHENTICATED"


def test_a_killed_principal_is_followed(cluster: Cluster, client: Client) -> None:
    long = [Task("simulated", b'{"seconds": 1.5}') for _ in range(20)]
    ids = client.submit_many(long)
    cluster.kill(0)
    after = client.map("echo", [b"after"] * 100)
    assert after == [b"after"] * 100
    assert len(client.gather(ids)) == len(long), "what was accepted before is done"


def test_many_at_once_within_one_loop(cluster: Cluster) -> None:
    async def run() -> list[bytes]:
        async with aio.Client(cluster.orchestrators, **USER) as client:

            async def one(number: int) -> bytes:
                return await client.result(await client.submit(Task("echo", b"%d" % number)))

            return await asyncio.gather(*(one(number) for number in range(200)))

    assert asyncio.run(run()) == [b"%d" % number for number in range(200)]

"""A real pair with two workers; `MUTIRAO_BIN` is the directory of the binaries."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import mutirao
import pytest

BINARIES = Path(os.environ.get("MUTIRAO_BIN", Path(__file__).parents[3] / "target/debug"))
USER = {"user": "user1", "token": "token_valido_123"}
START_TIMEOUT = 60.0


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Cluster:
    """The processes, which end with it."""

    def __init__(self, directory: Path, workers: int = 2) -> None:
        self.directory = directory
        self.ports = free_ports(2 + workers)
        self.orchestrators = [f"http://localhost:{port}" for port in self.ports[:2]]
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.start("orquestrador", 0)
        self.start("orquestrador-backup", 1)
        for port in self.ports[2:]:
            flags = ["--orchestrators", ",".join(self.orchestrators), "--slots", "64"]
            self.spawn("worker", port, flags)
        deadline = time.monotonic() + START_TIMEOUT
        backup = directory / f"orquestrador-backup-{self.ports[1]}.log"
        while "pronto para assumir" not in backup.read_text():
            assert time.monotonic() < deadline, "the backup is not in sync"
            time.sleep(0.02)
        with mutirao.Client(self.orchestrators, **USER) as client:
            # Accepted once a worker has offered the handler.
            while True:
                try:
                    client.result(client.submit(mutirao.Task("echo")))
                    return
                except mutirao.MutiraoError as refusal:
                    if refusal.reason != "UNKNOWN_HANDLER" or time.monotonic() > deadline:
                        raise

    def start(self, binary: str, nth: int) -> None:
        port, peer = self.ports[nth], self.orchestrators[1 - nth]
        directory = str(self.directory / str(port))
        self.spawn(binary, port, ["--peer", peer, "--data-dir", directory])

    def spawn(self, binary: str, port: int, flags: list[str]) -> None:
        log = open(self.directory / f"{binary}-{port}.log", "ab")
        command = [BINARIES / binary, "--port", str(port), *flags]
        self.processes[port] = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory)

    def kill(self, nth: int) -> None:
        process = self.processes.pop(self.ports[nth])
        process.kill()
        process.wait()

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory() as directory:
        cluster = Cluster(Path(directory))
        try:
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def client(cluster: Cluster) -> Iterator[mutirao.Client]:
    with mutirao.Client(cluster.orchestrators, **USER) as client:
        yield client

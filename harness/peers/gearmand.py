"""gearmand as it is: jobs in memory, results passed on to the client that waits, spoken to over plain sockets."""

import struct
import sys

from shared import PAYLOAD, WARM_UP_TASKS, check, connect, rate, ready

# Kinds of packets.
CAN_DO, PRE_SLEEP, NOOP, SUBMIT_JOB, JOB_CREATED, GRAB_JOB = 1, 4, 6, 7, 8, 9
NO_JOB, JOB_ASSIGN, WORK_COMPLETE = 10, 11, 13
HEADER = struct.Struct(">4sII")
# Jobs that the client has submitted and whose results it lacks, at most.
IN_FLIGHT = 2_000
# It submits so many at once.
BATCH = 500


def packet(kind, *arguments):
    body = b"\0".join(arguments)
    return HEADER.pack(b"\0REQ", kind, len(body)) + body


class Connection:
    def __init__(self, port):
        self.connection, self.reader = connect(port)

    def send(self, *packets):
        self.connection.sendall(b"".join(packets))

    def receive(self):
        _, kind, length = HEADER.unpack(self.reader.read(HEADER.size))
        return kind, self.reader.read(length)


class Client(Connection):
    def drive(self, count):
        """Submits as long as not too many are in flight, and else reads what comes."""
        submit = packet(SUBMIT_JOB, b"echo", b"", PAYLOAD)
        submitted = done = 0
        # Handles that were only created, or whose results came first.
        single = set()
        while done < count or single:
            batch = min(BATCH, count - submitted)
            if batch and submitted - done + batch <= IN_FLIGHT:
                self.send(submit * batch)
                submitted += batch
            kind, body = self.receive()
            handle, _, result = body.partition(b"\0")
            if kind == WORK_COMPLETE:
                check(result)
                done += 1
            elif kind != JOB_CREATED:
                raise RuntimeError(f"gearmand sent packet {kind}: {body!r}")
            single ^= {handle}

    def probe(self):
        self.drive(1)


def work(port):
    server = Connection(port)
    server.send(packet(CAN_DO, b"echo"), packet(GRAB_JOB))
    ready()
    while True:
        kind, body = server.receive()
        if kind == JOB_ASSIGN:
            handle, _, payload = body.split(b"\0", 2)
            server.send(packet(WORK_COMPLETE, handle, payload), packet(GRAB_JOB))
        elif kind == NO_JOB:
            server.send(packet(PRE_SLEEP))
        elif kind == NOOP:
            server.send(packet(GRAB_JOB))


def argv(port):
    return ["gearmand", "--listen", "127.0.0.1", "--port", port, "--log-file", "stderr"]


def measure(stage, options, runs):
    with stage() as place:
        _, port = place.serve(argv)
        place.start_workers(__file__, port)
        client = Client(port)
        client.drive(WARM_UP_TASKS)
        runs.higher("peer_gearmand_throughput", "tasks/s", rate(options.tasks, client.drive))
    with stage() as place:
        _, port = place.serve(argv)
        place.start_workers(__file__, port)
        runs.latency("peer_gearmand", Client(port).probe, options.probes)


if __name__ == "__main__":
    work(int(sys.argv[1]))

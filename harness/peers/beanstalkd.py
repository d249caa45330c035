"""beanstalkd with a binlog that is flushed at every write (`-b DIR -f0`), spoken to over plain sockets.

It flushes for each job apart, four times for a task with its result, so fewer tasks say as much.
"""

import sys

from shared import PAYLOAD, WARM_UP_TASKS, check, connect, parts, rate, ready

# Commands on their way at once.
PIPELINE = 500
FEWER_TASKS = 5
FEWER_QUEUED = 20


class Tubes:
    """A connection that puts into one tube and takes from another."""

    def __init__(self, port, into, out_of):
        self.connection, self.reader = connect(port)
        self.ask(f"use {into}", f"watch {out_of}", "ignore default")

    def ask(self, *commands):
        """Sends all of them, then reads all answers."""
        lines = [command if isinstance(command, bytes) else command.encode() for command in commands]
        self.connection.sendall(b"\r\n".join(lines) + b"\r\n")
        return [self.answer() for _ in lines]

    def answer(self):
        """The job's number, if it is about a job, and its body, if it was taken."""
        kind, *words = self.reader.readline().split()
        if kind == b"RESERVED":
            body = self.reader.read(int(words[1]) + 2)
            return words[0], body[:-2]
        if kind not in (b"INSERTED", b"DELETED", b"USING", b"WATCHING"):
            raise RuntimeError(f"beanstalkd said {kind} {words}")
        return words[0] if words else None, None


def put(body):
    return b"put 0 0 60 %d\r\n%s" % (len(body), body)


def delete(job):
    return b"delete " + job


class Client(Tubes):
    def __init__(self, port):
        super().__init__(port, "tasks", "results")

    def submit(self, count):
        command, ids = put(PAYLOAD), []
        for part in parts(count, PIPELINE):
            ids += [job for job, _ in self.ask(*[command] * part)]
        return ids

    def collect(self, ids):
        missing = set(ids)
        for part in parts(len(ids), PIPELINE):
            results = self.ask(*["reserve"] * part)
            for _, result in results:
                task, payload = result.split(b" ", 1)
                check(payload)
                missing.remove(task)
            self.ask(*[delete(job) for job, _ in results])

    def drive(self, count):
        self.collect(self.submit(count))

    def probe(self):
        self.drive(1)


def work(port):
    tubes = Tubes(port, "results", "tasks")
    ready()
    ((task, payload),) = tubes.ask("reserve")
    while True:
        # The next one is asked for along with what the last one has come to.
        _, _, (task, payload) = tubes.ask(put(task + b" " + payload), delete(task), "reserve")


def argv(directory):
    return lambda port: ["beanstalkd", "-l", "127.0.0.1", "-p", port, "-b", directory, "-f0"]


def measure(stage, options, runs):
    with stage() as place:
        _, port = place.serve(argv(place.dir))
        place.start_workers(__file__, port)
        client = Client(port)
        client.drive(WARM_UP_TASKS)
        tasks = max(1, options.tasks // FEWER_TASKS)
        runs.higher("peer_beanstalkd_throughput", "tasks/s", rate(tasks, client.drive))
    with stage() as place:
        _, port = place.serve(argv(place.dir))
        place.start_workers(__file__, port)
        runs.latency("peer_beanstalkd", Client(port).probe, options.probes)
    with stage() as place:
        server, port = place.serve(argv(place.dir))
        queued = max(1, options.backlog // FEWER_QUEUED)
        runs.backlog("peer_beanstalkd", server, Client(port).submit, queued)


if __name__ == "__main__":
    work(int(sys.argv[1]))

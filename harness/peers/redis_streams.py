"""Redis Streams with `appendfsync always`: tasks in one stream, read by a consumer group; results in another."""

import sys

import redis

from shared import PAYLOAD, WARM_UP_TASKS, check, parts, rate, ready

TASKS, RESULTS, GROUP = "tasks", "results", "workers"
# Tasks that a worker takes at once.
BATCH = 100
# Submissions on their way at once.
PIPELINE = 500
# Results that the client takes at once.
RESULTS_AT_ONCE = 1_000


def connect(port):
    return redis.Redis(port=port, socket_timeout=None)


def entries(reply):
    """Of one stream: RESP 2 has a list of streams, RESP 3 a map."""
    if isinstance(reply, dict):
        return next(iter(reply.values()))[0]
    return reply[0][1]


class Client:
    def __init__(self, port):
        self.server = connect(port)
        self.server.xgroup_create(TASKS, GROUP, mkstream=True)
        self.seen = "0"

    def submit(self, count):
        ids = []
        for part in parts(count, PIPELINE):
            pipeline = self.server.pipeline(transaction=False)
            for _ in range(part):
                pipeline.xadd(TASKS, {"payload": PAYLOAD})
            ids += pipeline.execute()
        return ids

    def collect(self, ids):
        missing = set(ids)
        while missing:
            reply = self.server.xread({RESULTS: self.seen}, count=RESULTS_AT_ONCE, block=0)
            for self.seen, result in entries(reply):
                check(result[b"payload"])
                missing.remove(result[b"task"])

    def drive(self, count):
        self.collect(self.submit(count))

    def probe(self):
        self.collect([self.server.xadd(TASKS, {"payload": PAYLOAD})])


def work(port, name):
    server = connect(port)
    ready()
    while True:
        taken = entries(server.xreadgroup(GROUP, name, {TASKS: ">"}, count=BATCH, block=0))
        pipeline = server.pipeline(transaction=False)
        for task, fields in taken:
            pipeline.xadd(RESULTS, {"task": task, "payload": fields[b"payload"]})
        ids = [task for task, _ in taken]
        pipeline.xack(TASKS, GROUP, *ids)
        pipeline.xdel(TASKS, *ids)
        pipeline.execute()


def argv(directory):
    durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    return lambda port: ["redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", directory, *durable]


def measure(stage, options, runs):
    with stage() as place:
        _, port = place.serve(argv(place.dir))
        client = Client(port)
        place.start_workers(__file__, port)
        client.drive(WARM_UP_TASKS)
        runs.higher("peer_redis_throughput", "tasks/s", rate(options.tasks, client.drive))
    with stage() as place:
        _, port = place.serve(argv(place.dir))
        client = Client(port)
        place.start_workers(__file__, port)
        runs.latency("peer_redis", client.probe, options.probes)
    with stage() as place:
        server, port = place.serve(argv(place.dir))
        runs.backlog("peer_redis", server, Client(port).submit, options.backlog)


if __name__ == "__main__":
    work(int(sys.argv[1]), sys.argv[2])

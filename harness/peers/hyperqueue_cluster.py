"""HyperQueue's server and two workers with one core each in a Python process (`LocalCluster`), without a journal.

It listens on all addresses and cannot be told otherwise, so it gets a network of its own, in which there is
only a loopback. Its client looks once a second whether a job has ended; it also sees how far the job
is, and the rate is taken at the last look before the end, so that no part of a second is lost.
"""

import os
import socket
import subprocess
import sys
import time

from shared import WARM_UP_PROBES, WORKERS, die_with_parent


def measure(stage, options, runs):
    unshare = ["unshare", "--net", "--uts", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    with stage() as place:
        argv = [*unshare, sys.executable, os.path.abspath(__file__), place.dir, options.execs]
        environment = os.environ | {"TMPDIR": place.dir}
        cluster = place.start(argv, stdout=subprocess.PIPE, env=environment)
        output, _ = cluster.communicate()
        if cluster.returncode != 0:
            raise RuntimeError(f"HyperQueue failed: {place.log()}")
        runs.higher("peer_hyperqueue_exec", "tasks/s", float(output.split()[-1]))


def drive(client, count):
    """Processes by second, if there was a look before the end."""
    from hyperqueue import Job

    looks = []
    began = time.perf_counter()

    def look(jobs):
        finished = sum(job["finished"] for job in jobs.values())
        looks.append((finished, time.perf_counter() - began))

    job = Job()
    for _ in range(count):
        job.program(["/bin/true"], stdout=None, stderr=None)
    submitted = client.submit(job)
    failed = client.connection.wait_for_jobs([submitted.id], look)
    if failed or looks[-1][0] != count:
        raise RuntimeError(f"{looks[-1][0]} of {count} processes succeeded")
    rates = [finished / after for finished, after in looks if 0 < finished < count]
    return rates[-1] if rates else None


def run(directory, count):
    from hyperqueue.cluster import LocalCluster, WorkerConfig

    die_with_parent()
    # Server and workers look for each other by the name of their host.
    socket.sethostname("localhost")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    cluster = LocalCluster(server_dir=directory)
    for _ in range(WORKERS):
        cluster.start_worker(WorkerConfig(cores=1))
    client = cluster.client()
    drive(client, WARM_UP_PROBES)
    while not (rate := drive(client, count)):
        # All were done before it looked.
        count *= 4
    print(rate, flush=True)
    # Not every version ends by itself.
    os._exit(0)


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]))

"""What every peer's measurement uses: processes that never outlive it, the clock, and figures as `cargo xtask bench` prints them."""

import atexit
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PAYLOAD = bytes(range(64, 128))
WORKERS = 2
WARM_UP_TASKS = 2_000
WARM_UP_PROBES = 50
START_SECONDS = 30


def die_with_parent():
    """Even if that one is killed so that it cannot clean up (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Stage:
    """A temporary directory, and the processes that were started in it. All are gone at its end, however it ends."""

    def __init__(self, root):
        self.dir = tempfile.mkdtemp(prefix="mutirao-peer-", dir=root)
        self.processes = []
        # Those that have to live until the end: whoever waits for them would wait forever.
        self.needed = []
        # A signal may interrupt `__exit__`.
        atexit.register(self.close)

    def __enter__(self):
        signal.signal(signal.SIGCHLD, self.look_after)
        return self

    def __exit__(self, *_):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.close()

    def close(self):
        # Workers before the server that they would complain about.
        for process in reversed(self.processes):
            self.end(process)
        shutil.rmtree(self.dir, ignore_errors=True)

    def look_after(self, *_):
        for process in self.needed:
            if process.poll() is not None:
                # Once, so that it does not interrupt the cleaning up.
                self.needed = []
                raise RuntimeError(f"{' '.join(process.args)} died: {self.log()}")

    def end(self, process):
        """Each leads a group of its own, in which are the children that it may have."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def start(self, argv, **options):
        log = open(os.path.join(self.dir, "log"), "ab")
        defaults = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "cwd": self.dir}
        argv = list(map(str, argv))
        with log:
            process = subprocess.Popen(
                argv, start_new_session=True, preexec_fn=die_with_parent, **(defaults | options)
            )
        self.processes.append(process)
        return process

    def serve(self, argv):
        """Starts `argv(port)` and waits until it listens; on another port if somebody was faster."""
        for _ in range(5):
            port = free_port()
            server = self.start(argv(port))
            deadline = time.monotonic() + START_SECONDS
            while time.monotonic() < deadline and server.poll() is None:
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                except OSError:
                    time.sleep(0.02)
                    continue
                # Else it was somebody else who answered.
                if server.poll() is None:
                    self.needed.append(server)
                    self.look_after()
                    return server, port
            self.end(server)
        raise RuntimeError(f"{argv(0)[0]} does not start: {self.log()}")

    def start_workers(self, file, port):
        """Processes of `file PORT NAME`, each of which has said that it is ready."""
        for nth in range(WORKERS):
            argv = [sys.executable, os.path.abspath(file), port, f"worker-{nth}"]
            worker = self.start(argv, stdout=subprocess.PIPE)
            if worker.stdout.readline() != b"ready\n":
                raise RuntimeError(f"a worker of {file} does not start: {self.log()}")
            self.needed.append(worker)
            self.look_after()

    def log(self):
        with open(os.path.join(self.dir, "log"), errors="replace") as log:
            return log.read()[-2_000:] or "it said nothing"


def ready():
    """A worker says so."""
    print("ready", flush=True)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def connect(port):
    """A plain connection, and its buffered reading end."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection, connection.makefile("rb", 1 << 16)


def resident(process):
    """Bytes of memory."""
    with open(f"/proc/{process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def check(result):
    if result != PAYLOAD:
        raise RuntimeError(f"a wrong result: {result!r}")


def parts(count, size):
    return [min(size, count - start) for start in range(0, count, size)]


def rate(count, action):
    """How many of `count` things `action(count)` does in a second."""
    began = time.perf_counter()
    action(count)
    return count / (time.perf_counter() - began)


def percentile(values, share):
    values = sorted(values)
    # As the harness rounds: half away from zero.
    return values[int((len(values) - 1) * share + 0.5)]


class Runs:
    """Runs by figure, in the order in which the figures came."""

    def __init__(self):
        self.runs = {}

    def add(self, figure, unit, better, value):
        self.runs.setdefault((figure, unit, better), []).append(value)

    def higher(self, figure, unit, value):
        self.add(figure, unit, "higher", value)

    def lower(self, figure, unit, value):
        self.add(figure, unit, "lower", value)

    def latency(self, peer, probe, count):
        """`probe()` submits one task and returns with its result."""
        for _ in range(WARM_UP_PROBES):
            probe()
        waits = []
        for _ in range(count):
            began = time.perf_counter()
            probe()
            waits.append((time.perf_counter() - began) * 1e3)
        self.lower(f"{peer}_latency_p50", "ms", percentile(waits, 0.5))
        self.lower(f"{peer}_latency_p99", "ms", percentile(waits, 0.99))

    def backlog(self, peer, server, submit, count):
        """So many tasks without a worker, then three times as many: the slope leaves out what a server takes at all."""
        self.higher(f"{peer}_enqueue", "tasks/s", rate(count, submit))
        before = resident(server)
        submit(3 * count)
        self.lower(f"{peer}_memory", "B/task", (resident(server) - before) / (3 * count))

    def figures(self):
        for (figure, unit, better), runs in self.runs.items():
            runs = sorted(runs)
            ends = {"median": runs[len(runs) // 2], "min": runs[0], "max": runs[-1]}
            yield {"figure": figure, "unit": unit, "better": better, **ends, "runs": runs}


def show(figure, as_json):
    if as_json:
        line = json.dumps(figure)
    else:
        values = "".join(f" {figure[name]:>12.2f}" for name in ("median", "min", "max"))
        line = f"{figure['figure']:<34}{values}  {figure['unit']:<9} {len(figure['runs'])}"
    print(line, flush=True)

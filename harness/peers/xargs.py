"""Processes without any queue: `xargs -P2 -n1 /bin/true`."""

import subprocess

from shared import WARM_UP_PROBES, WORKERS, rate


def measure(stage, options, runs):
    with stage() as place:

        def drive(count):
            argv = ["xargs", f"-P{WORKERS}", "-n1", "/bin/true"]
            xargs = place.start(argv, stdin=subprocess.PIPE)
            xargs.communicate(b"".join(b"%d\n" % nth for nth in range(count)))
            if xargs.returncode != 0:
                raise RuntimeError(f"xargs failed: {place.log()}")

        drive(WARM_UP_PROBES)
        runs.higher("peer_xargs_exec", "tasks/s", rate(options.execs, drive))

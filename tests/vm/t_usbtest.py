#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel's usbtest at the client, with a gadget at the host: t_usbtest.py [KERNEL].

The gadget is a source and sink of a pattern, which it and usbtest compare byte for byte. The engine over
usbfs passes every case that usbip-host passes.
"""

import contextlib
import pathlib
import subprocess
import sys

import gadget
import lab
from lab import case, check
from t_main import FILES
from t_secure import MUSL
from t_serve import Serving

# Those that end transfers early come last: on some kernels usbip-host hangs in them.
EARLY = (11, 12, 24)
CASES = [number for number in range(30) if number not in EARLY] + list(EARLY)
HANGS = "hangs"
ITERATIONS = {0: 1, 9: 10, 10: 10, 13: 10, 29: 10}
USUAL = 20
LIMIT = 60  # seconds for a case


class Gadget(Serving):
    def run_case(self, node, number):
        """What came of it. A driver that waits for its URBs cannot be killed."""
        self.client.must(f"rm -f /tmp/said; (usbtest {node} {number} {ITERATIONS.get(number, USUAL)} 1024 512 8 "
                         ">/tmp/saying && echo passed >/tmp/saying; mv /tmp/saying /tmp/said) >/dev/null 2>&1 &")
        try:
            return self.client.wait("cat /tmp/said", LIMIT).strip()
        except lab.LabError:
            return HANGS

    def run_cases(self, engine):
        """{case: what came of it}, up to one that hangs."""
        self.start(f"--engine {engine}")
        self.begin()
        self.attached(1, gadget.START)
        node = self.client.wait(f"{gadget.NODE} && readlink $d/*:3.0/driver | grep -q usbtest", 60).split()[0]
        found = {}
        for number in CASES:
            found[number] = self.run_case(node, number)
            if found[number] == HANGS:
                return found
        self.stop(self.client, "usbiphp-client")
        self.stop(self.host, "usbiphp-server")
        return found


def build(workdir):
    program = workdir / "usbtest"
    subprocess.run([*MUSL, "-static", "-D_GNU_SOURCE", "-o", program,
                    pathlib.Path(__file__).with_name("usbtest.c")], check=True, timeout=300)
    return program


@contextlib.contextmanager
def machines(kernel, workdir):
    files = FILES | {"/bin/usbtest": build(workdir)}
    with lab.pair(kernel, workdir, files=files) as (host, client):
        gadget.plug(host, 1)
        client.must("modprobe usbtest pattern=1")
        yield Gadget(host, client, workdir)


def test(kernel, workdir):
    with machines(kernel, workdir) as w:
        with case("usbtest, over usbfs: each case ends"):
            ours = w.run_cases("usbfs")
            print(f"# {kernel}: usbfs: {ours}", file=sys.stderr, flush=True)
            check(HANGS not in ours.values(), f"{ours}")
        w.close()
    with machines(kernel, workdir) as w, case("what passes with usbip-host passes over usbfs"):
        stub = w.run_cases("kernel")
        print(f"# {kernel}: usbip-host: {stub}", file=sys.stderr, flush=True)
        check(list(stub.values()).count("passed") >= 15, f"too few cases pass: {stub}")
        worse = {number: ours[number] for number in stub if stub[number] == "passed" != ours[number]}
        check(not worse, f"{worse}")


if __name__ == "__main__":
    lab.main(test)

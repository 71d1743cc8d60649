#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stick is pulled at the client's first event about it: the host's hub works on.

    t_pull.py [KERNEL [usbfs|kernel [PULLS]]]

With usbip-host the host's kernel is stuck after some pulls, for every device behind that controller and with
any program, so that run only tells after how many: it has no case for it.
"""

import pathlib
import sys
import tempfile
import time

import lab
from lab import case, check
from scene import WITHOUT
from t_main import FILES
from t_serve import Serving

PORTS = 14
BLOCK = 3 * PORTS  # pulls until a port counts as a bad contact: FLAP_FREE of lib/backoff.h
LAST = 15  # the port of the stick that stays
# Pulls until the client's machine starts anew: its own hub worker tries each port from which a device
# vanished again and again, with power cycles.
ROUND = 7
PATIENCE = 400  # seconds


class Pulls(Serving):
    def pull(self, port):
        """False: the client never hears of it."""
        since = time.monotonic()
        self.host.plug("pulled", "usb-storage", image=self.stick, port=str(port))
        try:
            self.client.wait_event("add@", "vhci_hcd", "DEVTYPE=usb_device", "PRODUCT=46f4/", since=since,
                                   timeout=PATIENCE)
        except lab.LabError:
            return False
        finally:
            self.host.unplug("pulled")
        return True

    def pull_many(self, number, engine):
        """The number of pulls that the host has stood, of a block."""
        self.start(f"--engine {engine} -i 1")
        for done in range(number):
            if done % ROUND == 0:
                self.new_client()
            if not self.pull(done % PORTS + 1):
                return done
        return number

    def new_client(self):
        self.client.start()
        self.begin()

    def still_works(self):
        """A stick that stays is attached, and all of it can be read."""
        self.new_client()
        self.host.plug("last", "usb-storage", image=self.stick, port=str(LAST))
        self.attached(1, PATIENCE)
        self.read_anew()
        self.host.unplug("last")
        self.attached(0, PATIENCE)
        self.stop(self.client, "usbiphp-client")
        self.stop(self.host, "usbiphp-server")


def test(kernel, engine, number, workdir):
    with lab.pair(kernel, workdir, files=FILES, append=WITHOUT[engine]) as (host, client):
        w = Pulls(host, client, workdir)
        if engine == "kernel":
            print(f"# {kernel}: with usbip-host the hub was stuck after {w.pull_many(BLOCK, engine)} pulls",
                  file=sys.stderr, flush=True)
            return
        for first in range(0, number, BLOCK):
            block = min(BLOCK, number - first)
            with case(f"pulls {first + 1} to {first + block}, and the next stick is attached"):
                done = w.pull_many(block, engine)
                check(done == block, f"nothing came of the next plug after {first + done} pulls")
                w.still_works()
        w.close()


if __name__ == "__main__":
    version, which, count = (sys.argv[1:] + ["6.1", "usbfs", "200"][len(sys.argv) - 1:])[:3]
    with tempfile.TemporaryDirectory() as directory, case(f"{version}: {which}: ran to its end"):
        test(version, which, int(count), pathlib.Path(directory))
    lab.finish()

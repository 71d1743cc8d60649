#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""64 sticks behind hubs at one host without usbip-host, all attached at once: t_many.py [KERNEL]."""

import hashlib
import os
import sys

import lab
from lab import case, check
from scene import WITHOUT
from t_main import FILES
from t_usbfs import Usbfs

BUSES = ("xhci.0", "more.0")  # a controller has 64 places, for hubs too
SIZE = 64 << 10
LONG = 600  # seconds: each step is 64 devices' work under emulation
WORDS = ("-device", "qemu-xhci,id=more,p2=15,p3=15")
DISKS = "ls -d /sys/block/sd*"


class Many(Usbfs):
    def plug_all(self):
        """A hub of 8 sticks at 4 ports of each controller."""
        self.digests = set()
        for bus in BUSES:
            for hub in range(1, 5):
                self.host.plug(f"{bus[:4]}-{hub}", "usb-hub", bus=bus, port=str(hub))
                for port in range(1, 9):
                    ident = f"{bus[:4]}-{hub}-{port}"
                    path = self.stick.with_name(ident)
                    path.write_bytes(os.urandom(SIZE))
                    self.digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
                    self.host.plug(ident, "usb-storage", image=path, serial=ident, bus=bus, port=f"{hub}.{port}")

    def all_read(self, guest):
        """Whether the guest reads what is on the sticks, all at the same time."""
        guest.wait(f"test $({DISKS} | wc -l) = 64 && for i in /sys/block/sd*; do "
                   f"test $(cat $i/size) = {SIZE // 512} || exit 1; done", LONG)
        text = guest.must("echo 3 >/proc/sys/vm/drop_caches; for i in /sys/block/sd*; do "
                          "sha256sum /dev/${i##*/} & done; wait", LONG)
        check({line.split()[0] for line in text.splitlines()} == self.digests, text)

    def private(self):
        """kB of its own that the largest holder has."""
        return int(self.host.must(f"for p in {' '.join(self.holders())}; do awk '/^Private/ {{ n += $2 }} "
                                  "END { print n }' /proc/$p/smaps_rollup; done | sort -n | tail -1"))


def test(kernel, workdir):
    with lab.pair(kernel, workdir, files=FILES, more=lambda name: WORDS if name == "host" else (),
                  append=WITHOUT["usbfs"], memory=512) as (host, client):
        w = Many(host, client, workdir)
        with case("64 sticks are exported and attached"):
            w.plug_all()
            w.start("")
            w.bound(64, LONG)
            w.begin()
            w.attached(64, LONG)

        with case("all are read at once, with the right bytes"):
            w.all_read(client)
            print(f"# {kernel}: the largest of 64 holders has {w.private()} kB of its own", file=sys.stderr, flush=True)

        with case("the server's next start has them all, and their sessions stayed"):
            before = w.sessions()
            host.must(lab.kill("usbiphp-server", "KILL"))
            w.start("")
            host.wait("test $(usbiphp status | grep -c 'in use by 10.0.0.2') = 64", LONG)
            check(w.sessions() == before, "a session ended")
            w.all_read(client)

        with case("its stop gives them all back, and the host reads them"):
            w.stop(client, "usbiphp-client")
            w.free(64, LONG)
            host.must(lab.kill("usbiphp-server"))
            host.wait("! pidof usbiphp-server", LONG)
            w.all_read(host)
        w.close()


if __name__ == "__main__":
    lab.main(test)

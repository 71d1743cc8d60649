#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many devices at few hubs of vhci-hcd, whose sessions end all at once, and all come back: t_hub.py.

The client's kernel has two controllers, as it is made here; Debian's have eight, many others one. It takes leave of the
devices of a hub one after the other, and gets to know them one after the other, while sessions begin.
"""

import sys

import lab
from lab import case, check
from t_main import FILES, World

NUMBER, ROUNDS = 12, 6
HERE = f"test $(ls -d /sys/devices/platform/vhci_hcd.*/usb*/*-*/*:1.0/*/input 2>/dev/null | wc -l) = {NUMBER}"
GONE = "grep -c ': gone from port' /tmp/client.log"


class Hub(World):
    def begin(self, guard):
        self.host.must("usbiphp-server -i 1 --take-all --engine kernel >/tmp/server.log 2>&1 &")
        self.client.must(f"usbiphp-client -i 1 --guard {guard} host >/tmp/client.log 2>&1 &")
        self.client.wait(HERE, 300)

    def end_all(self):
        before = int(self.client.sh(GONE)[1])
        self.host.must("for i in /sys/bus/usb/drivers/usbip-host/*/usbip_sockfd; do echo -1 >$i & done; wait")
        self.client.wait(f"test $({GONE}) -ge {before + NUMBER} && {HERE}", 300)

    def end(self):
        self.stop(self.client, "usbiphp-client")
        self.stop(self.host, "usbiphp-server")


def test(_, workdir):
    with lab.pair("6.1", workdir, files=FILES, client_kernel="kasan", memory=512) as (host, client):
        host.must("modprobe usbip-host")
        for n in range(NUMBER):
            host.plug(f"keyboard{n}", "usb-kbd", port=str(3 + n))
        w = Hub(host, client, workdir)
        for guard in ("off", "on"):
            with case(f"--guard {guard}: {NUMBER} sessions end at once, {ROUNDS} times, and no device is given up"):
                w.begin(guard)
                for _ in range(ROUNDS):
                    w.end_all()
                said = w.log(client)
                check("never answered" not in said, said)
                w.end()
        with case("the kernel has nothing to complain about"):
            check(not client.kernel_complaints(), f"{client.kernel_complaints()}")


if __name__ == "__main__":
    sys.argv[1:] = ["kasan"]
    lab.main(test)

# SPDX-License-Identifier: MIT
"""Processes between a connection and vhci-hcd that check nothing: no guard can cost less than they do."""

import transports
import variants

WAYS = ("poll", "block", "splice")
DETACH = "for i in $(usbip port | sed -n 's/^Port \\([0-9]*\\):.*/\\1/p'); do usbip detach -p $i; done"


def files(work):
    program = work / "relay.so"
    transports.run("gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", program,
                   variants.ROOT / "tests" / "bench" / "relay.c")
    return {"/lib/relay.so": program}


def start(host, server, client, way, number):
    """The stock client attaches all of the host's devices, which are so many, through such a process each."""
    variants.start(host, "usbiphp-server --engine kernel")
    client.wait("attach_through() { LD_PRELOAD=/lib/relay.so RELAY=" + f"{way} usbip attach -r {server} -b $1; }}\n"
                f"for i in $(usbip list -r {server} | sed -n 's/^ *\\([0-9]*-[0-9.]*\\):.*/\\1/p'); "
                f"do attach_through $i; done >>/tmp/log 2>&1; test $({variants.ATTACHED}) -ge {number}", 120)


def stop(host, server, client):
    client.sh(DETACH)
    variants.stop({host: server}, client)
    client.wait(f"test $({variants.ATTACHED}) = 0", 60)

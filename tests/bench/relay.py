# SPDX-License-Identifier: MIT
"""Processes between a connection and vhci-hcd that check nothing: no guard can cost less than they do."""

import transports
import variants

WAYS = ("poll", "block", "splice")


def files(work):
    program = work / "relay.so"
    transports.run("gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", program,
                   variants.ROOT / "tests" / "bench" / "relay.c")
    return {"/lib/relay.so": program}


def start(host, server, client, way, number):
    """The stock client attaches all of the host's devices, which are so many, through such a process each."""
    variants.start(host, "usbiphp-server --engine kernel")
    client.wait(f"LD_PRELOAD=/lib/relay.so RELAY={way} attach_all {server} >>/tmp/log 2>&1; "
                f"test $({variants.ATTACHED}) -ge {number}", 120)

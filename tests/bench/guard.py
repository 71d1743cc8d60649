# SPDX-License-Identifier: MIT
"""What the guard costs a client."""

import engines
import gadget
import lab
import transports
import variants

TURNS = 3
GUARDS = ("off", "on")


def one_guard(counter, guard, host, client, found):
    """The client is started with it or without; adds what each load took at both ends."""
    variants.start(host, "usbiphp-server --engine kernel")
    variants.start(client, f"usbiphp-client --guard {guard} {transports.SERVER}")
    engines.loads(counter, host, client, found)
    variants.stop({host: transports.SERVER}, client)
    client.wait("! ps -o comm= | grep -q guard", 60)


def measure(kernel, work):
    """{"off", "on": {load: [[instructions at the host, at the client] of each turn]}}"""
    stick = work / "big-stick"
    stick.write_bytes(bytes(transports.BYTES))
    counter = transports.Counter(work)
    found = {guard: {load[0]: [] for load in engines.LOADS} for guard in GUARDS}
    with lab.pair(kernel, work, files=engines.files(work),
                  more=lambda name: ["-cpu", transports.CPU, *counter.words(name)]) as (host, client):
        variants.prepare({host: transports.SERVER}, client)
        gadget.plug(host, 0)
        host.plug("stick", "usb-storage", image=stick)
        for _ in range(TURNS):
            for guard, loads in found.items():
                one_guard(counter, guard, host, client, loads)
    return found


def table(found):
    """Rows: load, of what, the client without a guard, and with it to that."""
    rows = []
    for what, unit, *_ in engines.LOADS:
        off, on = (engines.middle(found[guard][what], 1) for guard in GUARDS)
        rows.append([what, unit, f"{off:.2f}" if off < 1000 else f"{off:.0f}", f"{on / off:.2f}"])
    return rows

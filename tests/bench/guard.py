# SPDX-License-Identifier: MIT
"""What the guard costs a client."""

import engines
import transports
import variants

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
    return engines.measure(kernel, work, GUARDS, one_guard)


def table(found):
    """Rows: load, of what, the client without a guard, and with it to that."""
    rows = []
    for what, unit, *_ in engines.LOADS:
        off, on = (engines.middle(found[guard][what], 1) for guard in GUARDS)
        rows.append([what, unit, f"{off:.2f}" if off < 1000 else f"{off:.0f}", f"{on / off:.2f}"])
    return rows

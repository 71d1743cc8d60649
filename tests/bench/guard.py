# SPDX-License-Identifier: MIT
"""What the guard costs a client."""

import engines
import relay
import transports
import variants

GUARDS = ("off", "on")
DEVICES = 2


def one_guard(counter, guard, host, client, found):
    """The client has it, has none, or has what only passes bytes on; adds what each load took at both ends."""
    if guard in relay.WAYS:
        relay.start(host, transports.SERVER, client, guard, DEVICES)
    else:
        variants.start(host, "usbiphp-server --engine kernel")
        variants.start(client, f"usbiphp-client --guard {guard} {transports.SERVER}")
    engines.loads(counter, host, client, found)
    variants.detach_and_stop({host: transports.SERVER}, client)
    client.wait("! ps -o comm= | grep -q guard", 60)


def measure(kernel, work):
    """{"off", "on", or a relay: {load: [[instructions at the host, at the client] of each turn]}}"""
    return engines.measure(kernel, work, GUARDS + relay.WAYS, one_guard, relay.files(work))


def table(found):
    """Rows: load, of what, the client without a guard, and the other ways to that."""
    rows = []
    for what, unit, *_ in engines.LOADS:
        off, *others = (engines.middle(of_way[what], 1) for of_way in found.values())
        rows.append([what, unit, f"{off:.2f}" if off < 1000 else f"{off:.0f}", *(f"{x / off:.2f}" for x in others)])
    return rows

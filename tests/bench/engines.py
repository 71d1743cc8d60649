# SPDX-License-Identifier: MIT
"""What a device costs its host with usbip-host, and with the engine over usbfs."""

import statistics

import gadget
import lab
import transports
import variants

TURNS = 3
ENGINES = ("kernel", "usbfs")
MIB = transports.BYTES >> 20
# What, of what, its command with {n} for the number, the number, and how many of the unit that is.
LOADS = (
    ("read, 1 MiB", "byte", "dd if={disk} of=/dev/null bs=1M iflag=direct count={n} 2>/dev/null", MIB, 1 << 20),
    ("write, 1 MiB", "byte", "dd if=/dev/zero of={disk} bs=1M oflag=direct count={n} 2>/dev/null", MIB, 1 << 20),
    ("read, 64 KiB", "byte", "dd if={disk} of=/dev/null bs=64k iflag=direct count={n} 2>/dev/null", 128, 64 << 10),
    ("write, 64 KiB", "byte", "dd if=/dev/zero of={disk} bs=64k oflag=direct count={n} 2>/dev/null", 128, 64 << 10),
    ("random read, 4 KiB", "read", "urbs {disk} random {n} 4096", 300, 1),
    ("control", "request", "urbs {node} control {n}", 1000, 1),
    ("bulk IN, 512 bytes, 1 in flight", "URB", "urbs {node} bulk {n} 1 512", 1000, 1),
    ("bulk IN, 512 bytes, 16 in flight", "URB", "urbs {node} bulk {n} 16 512", 2000, 1),
    ("bulk IN, 4 KiB, 16 in flight", "URB", "urbs {node} bulk {n} 16 4096", 2000, 1),
)


def files(work):
    program = work / "urbs"
    transports.run("gcc", "-static", "-O2", "-D_GNU_SOURCE", "-o", program,
                   variants.ROOT / "tests" / "bench" / "urbs.c")
    return variants.FILES | {"/bin/urbs": program}


def loads(counter, host, client, found):
    """Adds what each load took at both ends."""
    disk = "/dev/" + client.wait(variants.attached_disk(transports.BYTES), gadget.START).strip()
    node = client.wait(gadget.NODE, gadget.START).strip()
    for what, _, command, number, size in LOADS:
        def of(n):
            return counter.of(host, client, command.format(n=n, disk=disk, node=node))[:2]
        of(number)  # TCP finds its windows, the holder its buffers
        found[what].append([(a - b) / (number * size) for a, b in zip(of(number), of(0))])


def one_engine(counter, engine, host, client, found):
    """The server is started with it."""
    variants.start(host, f"usbiphp-server --engine {engine}")
    variants.start(client, f"usbiphp-client --guard off {transports.SERVER}")
    loads(counter, host, client, found)
    if engine == "usbfs":
        found["holder"] = max(private(host, pid) for pid in host.must("pidof usbiphp-holder").split())
    variants.stop({host: transports.SERVER}, client)
    host.wait("! pidof usbiphp-holder", 60)


def private(host, pid):
    """kB of its own, without what it has mapped of the device's memory."""
    return int(host.must(f"awk '/^[0-9a-f]/ {{ node = /bus.usb/ }} /^Private/ && !node {{ n += $2 }} "
                         f"END {{ print n }}' /proc/{pid}/smaps"))


def measure(kernel, work, ways=ENGINES, one_way=one_engine, more_files=()):
    """{way: {load: [[instructions at the host, at the client] of each turn]}}"""
    stick = work / "big-stick"
    stick.write_bytes(bytes(transports.BYTES))
    counter = transports.Counter(work)
    found = {way: {load[0]: [] for load in LOADS} for way in ways}
    with lab.pair(kernel, work, files=files(work) | dict(more_files),
                  more=lambda name: ["-cpu", transports.CPU, *counter.words(name)]) as (host, client):
        variants.prepare({host: transports.SERVER}, client)
        gadget.plug(host, 0)
        host.plug("stick", "usb-storage", image=stick)
        for _ in range(TURNS):
            for way, of_way in found.items():
                one_way(counter, way, host, client, of_way)
    return found


def middle(turns, end):
    return statistics.median(turn[end] for turn in turns)


def table(found):
    """Rows: load, of what, host with usbip-host, the same of usbfs to it, the client's."""
    rows = []
    for what, unit, *_ in LOADS:
        stub, ours = found["kernel"][what], found["usbfs"][what]
        per = middle(stub, 0)
        rows.append([what, unit, f"{per:.2f}" if per < 1000 else f"{per:.0f}",
                     f"{middle(ours, 0) / per:.2f}", f"{middle(ours, 1) / middle(stub, 1):.2f}"])
    return rows

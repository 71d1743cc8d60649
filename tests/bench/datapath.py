# SPDX-License-Identifier: MIT
"""What a disk's transfers wait for: round trips for each command, and what a command moves.

Both roles are in one guest, over its loopback, in virtual time, where an instruction takes a nanosecond; netem
makes the round trip. What the same transfer takes without it is taken off.
"""

import image
import lab
import variants

MIB = 1 << 20
TRIPS = (0.5, 2, 20)  # ms
WAYS_AT = 2  # ms, at which the ways are compared
DISKS = {"USB 2": ("two.0", "2", 32), "USB 3": ("xhci.0", "1", 48)}  # bus, port, MiB
HOOK = variants.ROOT / "install" / "hooks" / "large-commands"
MOVED = 8  # MiB of each transfer
# name: server, client; the first one is compared with
WAYS = {
    "usbip-host": ("usbiphp-server --engine kernel", "usbiphp-client --guard off 127.0.0.1"),
    "usbfs": ("usbiphp-server --engine usbfs", "usbiphp-client --guard off 127.0.0.1"),
    "usbip-host, guard": ("usbiphp-server --engine kernel", "usbiphp-client --guard on 127.0.0.1"),
    "usbfs, guard": ("usbiphp-server --engine usbfs", "usbiphp-client --guard on 127.0.0.1"),
    "usbip-host, psk": ("usbiphp-server --engine kernel --psk /tmp/psk",
                        "usbiphp-client --psk /tmp/psk 127.0.0.1"),
    "the stock tools": None,
}
CURVES = {"USB 3, Linux 7.3": ("7.3", "USB 3", False), "USB 2, Linux 7.3, hook": ("7.3", "USB 2", True),
          "USB 3, Linux 6.1": ("6.1", "USB 3", False), "USB 2, Linux 7.3": ("7.3", "USB 2", False)}
TRANSFERS = {"read": "dd if=/dev/{} of=/dev/null bs=1M count={} iflag=direct",
             "write": "dd if=/dev/zero of=/dev/{} bs=1M count={} oflag=direct"}


def prepare(guest, work):
    variants.prepare({guest: "127.0.0.1"}, guest)
    guest.must("modprobe -a sch_netem tls gcm; ip link set lo mtu 1500; umask 077; usbiphp psk bench >/tmp/psk")
    for name, (bus, port, size) in DISKS.items():
        file = work / name.replace(" ", "-")
        file.write_bytes(bytes(size * MIB))
        guest.plug(file.name, "usb-storage", image=file, bus=bus, port=port)


def start(guest, way):
    if WAYS[way]:
        for command in WAYS[way]:
            variants.start(guest, command)
    else:
        variants.start_by_hand([guest], guest)
        variants.by_hand({guest: "127.0.0.1"}, guest, len(DISKS))
    return {name: guest.wait(variants.attached_disk(size * MIB), 120).strip()
            for name, (_, _, size) in DISKS.items()}


def stop(guest):
    variants.detach_and_stop({guest: "127.0.0.1"}, guest)
    guest.wait("! pidof usbiphp-holder", 60)


def transfer(guest, disk, what):
    """(seconds, commands)"""
    field = {"read": 1, "write": 5}[what]
    text = guest.must(f"""
look() {{ awk '/^now at/ {{ print $3 }}' /proc/timer_list; awk '{{ print ${field} }}' /sys/block/{disk}/stat; }}
look; {TRANSFERS[what].format(disk, MOVED)} 2>/dev/null && look""", 300).split()
    since, before, until, after = map(int, text)
    return (until - since) / 1e9, after - before


def at(guest, trip, disk, what):
    guest.must(f"tc.real qdisc add dev lo root netem delay {trip / 2}ms")
    found = transfer(guest, disk, what)
    guest.must("tc.real qdisc del dev lo root")
    return found


def trips_each(guest, disk, what, trip):
    """(round trips of a command, KiB that it moves)"""
    plain, _ = transfer(guest, disk, what)
    seconds, commands = at(guest, trip, disk, what)
    return (seconds - plain) / commands / (trip / 1e3), MOVED * 1024 / commands


def sizes(guest, disks):
    """{(disk, what, hooked): [(round trips, KiB) at each of TRIPS]}"""
    found = {}
    for hooked in (False, True):
        for name, disk in disks.items():
            if hooked:
                port = guest.must(f"readlink -f /sys/block/{disk}/../../../../../..").strip().rpartition("/")[2]
                guest.must(f"USBIPHP_EVENT=attached USBIPHP_DEVICE={port} /tmp/hook")
            for what in TRANSFERS:
                found[name, what, hooked] = [trips_each(guest, disk, what, trip) for trip in TRIPS]
    return found


def measure(kernel, work, ways=tuple(WAYS)):
    """The sizes of the first way, and {way: {(disk, what): round trips of a command}}."""
    files = variants.FILES | {"/bin/tc.real": "/sbin/tc", "/tmp/hook": HOOK}
    files.update({x: x for x in image.libraries("/sbin/tc")})
    compared, large = {}, {}
    with lab.Guest("datapath", kernel, work, files=files, memory=384,
                   more=["-icount", "shift=0,sleep=on", "-device", "qemu-xhci,id=two,p2=4,p3=1"]) as guest:
        prepare(guest, work)
        for way in ways:
            disks = start(guest, way)
            compared[way] = {(name, what): trips_each(guest, disk, what, WAYS_AT)[0]
                             for name, disk in disks.items() for what in TRANSFERS}
            large = large or sizes(guest, disks)
            stop(guest)
    return large, compared


def bound(trips, size, trip):
    """MB/s, of commands of so many KiB and round trips of so many ms"""
    return size * 1024 / (max(trips, 0.1) * trip / 1e3) / 1e6


def sizes_table(found):
    """Rows: disk, direction, command size; then for each round trip its number and the bound in MB/s."""
    rows = []
    for (name, what, hooked), at_trips in found.items():
        row = [name, what, "large" if hooked else "as they are", f"{at_trips[0][1]:.0f}"]
        for trip, (trips, size) in zip(TRIPS, at_trips):
            row += [f"{trips:.1f}", f"{bound(trips, size, trip):.1f}"]
        rows.append(row)
    return rows


def ways_table(found):
    return [[way, *(f"{x:.1f}" for x in of_way.values())] for way, of_way in found.items()]


def curves(found):
    """Of {kernel: sizes}, what reading can come to: {name: [(ms, MB/s)]}"""
    return {name: [(trip, bound(trips, size, trip)) for trip, (trips, size) in
                   zip(TRIPS, found[kernel][disk, "read", hooked])]
            for name, (kernel, disk, hooked) in CURVES.items()}

# SPDX-License-Identifier: MIT
"""From a plug at the host to a usable device at the client."""

import contextlib
import re
import statistics
import time

import lab
import variants

ROUNDS = 5
MANY_ROUNDS = 2
EACH = 15  # devices per host: usbip-host has 16 places
SETTLE = 2  # seconds a variant has from its start to the first plug
READY = ("bind@", "DEVTYPE=usb_device", "\nDRIVER=usb\n", "PRODUCT=46f4/")
# vhci's attach_store says "rhport" once per attach; the answer is an uevent, which the host stamps.
MARK_ATTACH = """cat /dev/kmsg | while read -r line; do
    case $line in *rhport\\(*) echo change >/sys/class/mem/null/uevent ;; esac
done >/dev/null 2>&1 &"""
MARK = "change@/devices/virtual/mem/null"


def plug(host, client, stick):
    """Seconds of one plug: to the client's usb_device, to usable, the kernels' part, the tools'."""
    began = time.monotonic()
    host.plug("stick", "usb-storage", image=stick)
    ready, _ = host.wait_event(*READY, since=began)
    attach, _ = client.wait_event(MARK, since=began, timeout=60)
    added, _ = client.wait_event("add@", "vhci_hcd", "DEVTYPE=usb_device", since=began)
    usable, _ = client.wait_event("vhci_hcd", *READY, since=began)
    return {"added": added - began, "usable": usable - began, "tools": attach - ready,
            "kernels": ready - began + usable - attach}


def unplug(host, client):
    began = time.monotonic()
    host.unplug("stick")
    client.wait_event("remove@", "vhci_hcd", "DEVTYPE=usb_device", since=began)


def mark_lag(client):
    """Seconds by which the copy of a kernel message comes later than an uevent made with it."""
    lags = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        client.must("echo change >/sys/class/mem/zero/uevent; echo 'rhport(' >/dev/kmsg")
        first, _ = client.wait_event("change@/devices/virtual/mem/zero", since=began)
        lags.append(client.wait_event(MARK, since=began)[0] - first)
    return statistics.median(lags)


def one_start(start, hosts, client, stick, attached=None):
    """A variant is started for one plug and stopped again."""
    host, = hosts
    start(hosts, client)
    time.sleep(SETTLE)
    seconds = plug(host, client, stick)
    if attached:
        attached(host, client)
    unplug(host, client)
    variants.stop(hosts, client)
    return seconds


def loops(hosts, client, stick, attached):
    """The loops run on; the plugs are spread evenly over their ten seconds."""
    host, = hosts
    variants.start_loops(hosts, client)
    began, found = time.monotonic(), []
    for n in range(ROUNDS):
        time.sleep((10 * (n + 0.5) / ROUNDS - (time.monotonic() - began)) % 10)
        found.append(plug(host, client, stick))
        if n == 0:
            attached(host, client)
        unplug(host, client)
    variants.stop(hosts, client)
    return found


def single(kernel, work, memory):
    """{variant: a list of plug()'s answers}, mark_lag(); memory(variant) looks at attached guests."""
    stick = work / "stick"
    stick.write_bytes(bytes(1 << 20))
    with lab.pair(kernel, work, files=variants.FILES) as (host, client):
        hosts = {host: "10.0.0.1"}
        variants.prepare(hosts, client)
        client.must(MARK_ATTACH)
        found = {"ours": [], "at once": []}
        for _ in range(ROUNDS):
            found["ours"].append(one_start(variants.start_ours, hosts, client, stick,
                                           memory("ours")))
            found["at once"].append(one_start(variants.start_at_once, hosts, client, stick))
        found["loops"] = loops(hosts, client, stick, memory("loops"))
        return found, mark_lag(client)


def usable_since(client, began):
    """When each device that came over USB/IP since then got its driver."""
    mine = re.compile(r"bind@\S*/vhci_hcd\.\S*/\d+-[\d.]+\n(?s:.*)\nDRIVER=usb\n")
    return sorted(t for t, text in list(client.events) if t >= began and mine.match(text))


def wait_usable(client, began, number):
    deadline = time.monotonic() + 120
    while len(usable_since(client, began)) < number:
        if time.monotonic() > deadline:
            raise lab.LabError(f"{len(usable_since(client, began))} of {number} devices usable")
        time.sleep(0.05)
    return usable_since(client, began)[number - 1]


def wait_ready(host, began):
    """All devices of a host are with their own drivers."""
    for n in range(1, EACH + 1):
        host.wait_event("bind@", f"-{n}\n", "DEVTYPE=usb_device", "\nDRIVER=usb\n", since=began)


def together(start, hosts, client):
    """Seconds from the last of 2 x EACH plugs until all are usable."""
    start(hosts, client)
    time.sleep(SETTLE)
    began = time.monotonic()
    for n in range(1, EACH + 1):
        for host in hosts:
            last = time.monotonic()
            host.plug(f"d{n}", ("usb-kbd", "usb-mouse", "usb-tablet")[n % 3], port=str(n))
    if start is variants.start_by_hand:
        for host in hosts:
            wait_ready(host, began)
        variants.by_hand(hosts, client, EACH * len(hosts))
    seconds = wait_usable(client, began, EACH * len(hosts)) - last
    for host in hosts:
        for n in range(1, EACH + 1):
            host.unplug(f"d{n}")
    client.wait(f"test $({variants.ATTACHED}) = 0", 60)
    variants.stop(hosts, client)
    return seconds


@contextlib.contextmanager
def two_hosts(kernel, work):
    with contextlib.ExitStack() as stack:
        cables = [lab.Cable(), lab.Cable()]
        guests = []
        for name, net, addr in (("host", cables[0].ends[0], "10.0.0.1/24"),
                                ("host2", cables[1].ends[0], "10.0.1.1/24"),
                                ("client", [c.ends[1] for c in cables],
                                 ["10.0.0.2/24", "10.0.1.2/24"])):
            guests.append(lab.Guest(name, kernel, work, net=net, addr=addr, files=variants.FILES))
            stack.callback(guests[-1].close)
        for cable in cables:
            stack.callback(cable.close)
        for guest in guests:
            guest.ready()
        yield {guests[0]: "10.0.0.1", guests[1]: "10.0.1.1"}, guests[2]


def many(kernel, work):
    """{variant: seconds of each round}."""
    starts = {"ours": variants.start_ours, "at once": variants.start_at_once,
              "by hand": variants.start_by_hand}
    found = {name: [] for name in starts}
    with two_hosts(kernel, work) as (hosts, client):
        variants.prepare(hosts, client)
        for _ in range(MANY_ROUNDS):
            for name, start in starts.items():
                found[name].append(together(start, hosts, client))
    return found


def middle_and_worst(values, digits=2):
    return [f"{statistics.median(values):.{digits}f}", f"{max(values):.{digits}f}"]


def single_table(found):
    """Rows: variant; median and worst of each number; usable by what the kernels need."""
    rows = []
    for name, rounds in found.items():
        row = [name]
        for what in ("added", "usable", "tools", "kernels"):
            row += middle_and_worst([r[what] for r in rounds])
        rows.append(row + middle_and_worst([r["usable"] / r["kernels"] for r in rounds]))
    return rows


def many_table(found):
    """Rows: variant; median and worst; median by ours."""
    ours = statistics.median(found["ours"])
    return [[name, *middle_and_worst(seconds, 1), f"{statistics.median(seconds) / ours:.2f}"]
            for name, seconds in found.items()]

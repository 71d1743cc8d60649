# SPDX-License-Identifier: MIT
"""How long a tablet's report takes from its host's controller to the client, in instructions.

Both roles are in one guest, over its loopback, in virtual time, where an instruction takes a
nanosecond. The kernel's tracepoints tell when the controller has completed a URB, when the next
packet is sent, and when the client's program, which reads the reports, is woken. A whole round trip,
from the submit to the answer, is measured with control requests.
"""

import re
import statistics
import time

import engines
import lab
import relay
import variants

REPORTS = 60
REQUESTS, TRIPS = 500, 3
ADDRESS = "127.0.0.1"
WAYS = (("kernel", "off"), ("usbfs", "off"), ("kernel", "on"),  # engine, guard
        *(("kernel", way) for way in relay.WAYS))
TRACING = "/sys/kernel/tracing"
COMPLETED, SENT, WOKEN = "xhci_urb_giveback", "net_dev_start_xmit", "sched_waking"
TRIP = "trip"
ENDS = ((SENT, "its reply is sent"), (WOKEN, "the client's program is woken"),
        (TRIP, "a control request and its answer"))
NODE = "cd $(dirname $(grep -l 0627 /sys/devices/platform/vhci_hcd.*/usb*/*-*/idVendor))"
INPUT = ("cd /sys/class/input && for i in event*; do case $(readlink $i) in *vhci_hcd*) "
         "test -e /dev/input/$i && echo /dev/input/$i && exit ;; esac; done; false")


def prepare(guest):
    variants.prepare({guest: ADDRESS}, guest)
    guest.must(f"""
mount -t tracefs none {TRACING}; cd {TRACING}
echo x86-tsc >trace_clock
echo 'comm == "cat"' >events/sched/{WOKEN}/filter
echo 1 | tee events/xhci-hcd/{COMPLETED}/enable events/net/{SENT}/enable events/sched/{WOKEN}/enable
""")
    guest.plug("tablet", "usb-tablet")


def delays(text):
    """Of a trace: {end: [instructions from each completion to the first such event behind it]}"""
    found, began, missing = {SENT: [], WOKEN: []}, 0, set()
    for stamp, event in re.findall(r" (\d+): (\w+): ", text):
        if event == COMPLETED:
            began, missing = int(stamp), set(found)
        elif event in missing:
            missing.remove(event)
            found[event].append(int(stamp) - began)
    return found


def round_trip(guest):
    """Of one control request of many, which are sent one at a time."""
    took = []
    for number in (REQUESTS, 0):
        since, until = map(int, guest.must(f"""
now() {{ awk '/^now at/ {{ print $3 }}' /proc/timer_list; }}
{NODE}; node=$(printf /dev/bus/usb/%03d/%03d $(cat busnum devnum))
now; urbs $node control {number} && now""").split())
        took.append(until - since)
    return (took[0] - took[1]) / REQUESTS


def one_way(guest, engine, guard):
    if guard in relay.WAYS:
        relay.start(guest, ADDRESS, guest, guard, 1)
    else:
        variants.start(guest, f"usbiphp-server --engine {engine}")
        variants.start(guest, f"usbiphp-client --guard {guard} {ADDRESS}")
    device = guest.wait(INPUT, 120).strip()
    guest.must(f"cat {device} >/tmp/reports 2>/dev/null & echo $! >/tmp/reader")
    guest.wait(f"ls -l /proc/$(cat /tmp/reader)/fd | grep -q {device}")
    guest.must(f"echo >{TRACING}/trace")
    for n in range(REPORTS):
        guest.qmp.command("input-send-event", events=[
            {"type": "abs", "data": {"axis": "x", "value": 100 + 200 * n}}])
        time.sleep(0.05)  # nothing else runs in the guest meanwhile
    found = delays(guest.must(f"cat {TRACING}/trace"))
    lab.check(all(len(x) > REPORTS / 2 for x in found.values()), f"reports got lost: {found}")
    found[TRIP] = [round_trip(guest) for _ in range(TRIPS)]
    guest.must("kill $(cat /tmp/reader)")
    variants.detach_and_stop({guest: ADDRESS}, guest)
    guest.wait("! pidof usbiphp-holder", 60)
    return {end: statistics.median(x) for end, x in found.items()}


def measure(kernel, work):
    """{(engine, guard): {end: instructions}}"""
    with lab.Guest("delay", kernel, work, files=engines.files(work) | relay.files(work),
                   more=["-icount", "shift=0,sleep=on"]) as guest:
        prepare(guest)
        return {way: one_way(guest, *way) for way in WAYS}


def table(found):
    """Rows: until when, instructions with usbip-host, and those of the other ways to it."""
    return [[title, f"{found[WAYS[0]][end]:.0f}",
             *(f"{found[way][end] / found[WAYS[0]][end]:.2f}" for way in WAYS[1:])] for end, title in ENDS]

# SPDX-License-Identifier: MIT
"""Ten minutes of doing nothing, in virtual time: one nanosecond is one instruction of the guest."""

import concurrent.futures
import contextlib
import re

import hotplug
import lab
import variants

SECONDS = 600
SETTLE = 30
PATIENCE = 1800  # real seconds: the loops execute 15,000 million instructions in ten minutes
STARTS = {"nothing": variants.start_by_hand, "ours": variants.start_ours,
          "stock": variants.start_loops}
HIST = "/sys/kernel/tracing/events/raw_syscalls/sys_enter"


def snapshot(pids):
    """A shell command that prints the guest's counters, and those of some processes."""
    return ("{ grep -E 'now at|_sleeptime' /proc/timer_list; grep -E '^(ctxt|processes)' /proc/stat;" +
            "".join(f"echo {name}.cpu $(cat /proc/{pid}/schedstat);"
                    f"sed -n 's/^voluntary_ctxt_switches:/{name}.ctxt/p' /proc/{pid}/status;"
                    for name, pid in pids.items()) + "}")


def counters(text):
    """The numbers of a snapshot; busy is nanoseconds not idle."""
    found = {name: int(value) for name, value in
             re.findall(r"^ *\.?([\w.-]+)(?: at|\s*:)?\s+(\d+)", text, re.M)}
    found["busy"] = found["now"] - found["idle_sleeptime"] - found["iowait_sleeptime"]
    return found


def attach(name, guest, stick):
    """A variant is running, one device is bound and attached in the same guest."""
    hosts = {guest: "127.0.0.1"}
    variants.prepare(hosts, guest)
    STARTS[name](hosts, guest)
    guest.plug("stick", "usb-storage", image=stick, read_only=True)
    if name == "nothing":
        guest.wait_event(*hotplug.READY)
        variants.by_hand(hosts, guest, 1)
        guest.must("kill $(pidof usbipd)")
    guest.wait_event("vhci_hcd", *hotplug.READY, timeout=60)
    guest.must(f"mount -t tracefs none /sys/kernel/tracing; sleep {SETTLE}", 60)


def ten_minutes(guest):
    """What was counted: {counter: number}, those of ours as NAME.counter too."""
    pids = {name: pid for name in ("usbiphp-server", "usbiphp-client")
            for pid in guest.sh(f"pidof {name}")[1].split()}
    look = snapshot(pids)
    guest.must(f"{look} >/tmp/1; sleep {SECONDS}; {look} >/tmp/2", PATIENCE)
    before, after = (counters(guest.get(f"/tmp/{n}").decode()) for n in (1, 2))
    found = {name: after[name] - before[name] for name in after}
    text = guest.must(f"echo hist:keys=common_pid:size=16384 >{HIST}/trigger; sleep {SECONDS}; "
                      f"cat {HIST}/hist", PATIENCE)
    lab.check("Dropped: 0" in text, "the kernel's histogram was too small")
    found["calls"] = int(re.search(r"Hits: (\d+)", text)[1])
    for name, pid in pids.items():
        hits = re.search(rf"common_pid: +{pid} }} hitcount: +(\d+)", text)
        found[f"{name}.calls"] = int(hits[1]) if hits else 0
    return found


def measure(kernel, work):
    """{variant: its counters}. The guests run side by side: their own time does not care."""
    with contextlib.ExitStack() as stack:
        guests = {}
        for name in STARTS:
            guests[name] = lab.Guest(name, kernel, work, files=variants.FILES, icount=True)
            stack.callback(guests[name].close)
        stick = work / "idle-stick"
        stick.write_bytes(bytes(1 << 20))
        for name, guest in guests.items():
            attach(name, guest.ready(), stick)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            return dict(zip(guests, pool.map(ten_minutes, guests.values())))


def whole(found):
    """Rows: counter, ours, stock, both less what the guest does by itself, and their ratio."""
    rows = []
    for title, name, scale in (("CPU, million instructions", "busy", 1e6),
                               ("context switches", "ctxt", 1), ("system calls", "calls", 1),
                               ("processes started", "processes", 1)):
        ours, stock = ((found[x][name] - found["nothing"][name]) / scale for x in ("ours", "stock"))
        rows.append([title, f"{found['nothing'][name] / scale:.0f}", f"{ours:.0f}", f"{stock:.0f}",
                     f"{stock / ours:.1f}" if ours > 0 else "-"])
    return rows


def daemons(found):
    """Rows: daemon, million instructions, wakeups, system calls."""
    return [[name, f"{found[f'{name}.cpu'] / 1e6:.1f}", found[f"{name}.ctxt"],
             found[f"{name}.calls"]] for name in ("usbiphp-server", "usbiphp-client")]

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many plugs and many pulled cables, in virtual time: nothing grows.

    t_soak.py [KERNEL [PLUGS [PULLS]]] [usbfs]      usbfs: on a host without usbip-host
"""

import pathlib
import sys
import tempfile

import lab
from lab import case, check
from scene import Box, WORK

PLUGS, PULLS = 30, 6
REST = 11  # seconds a device stays, so that its socket does not count as a bad contact
SLACK = 8  # kB of memory that may come and go


def look(s):
    """What must not grow: {name: number}."""
    s.host.must("sleep 20", 240)
    found = {f"{role}'s descriptors": s.steady(role) for role in ("server", "client")}
    for role in ("server", "client"):
        # VmRSS is 64 pages late (sync_mm_rss()), and the program's own pages come as they are used
        text = s.guest(role).must(
            f"sed -n 's/^Anonymous: *//p' /proc/$(pidof usbiphp-{role})/smaps_rollup")
        found[f"{role}'s memory (kB)"] = int(text.split()[0])
    found["bus ids in usbip-host"] = len(s.slots())
    found["holders"] = len(s.host.must("grep -lx usbiphp-holder /proc/[0-9]*/comm; true").split())
    return found


def plugs(s, number):
    """The stick and the keyboard in turn, out and in again."""
    for i in range(number):
        ident = ("keyboard", "stick")[i % 2]
        s.unplug(ident)
        s.timed(s.client, "soon 120 attached 1 >/dev/null")
        (s.plug_stick if ident == "stick" else s.plug_keyboard)()
        s.timed(s.client, f"soon 120 attached 2 >/dev/null && sleep {REST}")
    check("in its error state" not in s.log("server"), "unplugged devices count as faulty")


def pulls(s, number):
    """The network of one side, or all of it, fails until both ends have let go."""
    for i in range(number):
        off, on = s.cut(("host", "client", "silent")[i % 3])
        s.timed(s.client, f"{{ {off}; soon 20 freed && soon 20 gone || fail not freed; {on}; "
                          f"soon 120 attached 2; }} >/dev/null && sleep {REST}")


def soak(s, what, number, name):
    """A tenth more is the warm-up; from then on nothing may grow."""
    with case(name):
        what(s, max(number // 10, 2))
        before = look(s)
        what(s, number)
        after = look(s)
        print(f"# {name}: " + ", ".join(f"{key} {before[key]} before, {after[key]} after"
                                        for key in before), file=sys.stderr, flush=True)
        grown = {key: (before[key], after[key]) for key in before
                 if after[key] > before[key] + (SLACK if "memory" in key else 0)}
        check(not grown, f"grown: {grown}")
        s.again()


def test(kernel, engine, work, number_of_plugs, number_of_pulls):
    with Box.open(kernel, work, engine) as s:
        kernel += " usbfs" if engine == "usbfs" else ""
        s.cell = "soak"
        s.plug_both()
        s.up()
        soak(s, plugs, number_of_plugs, f"{kernel}: {number_of_plugs} plugs")
        soak(s, pulls, number_of_pulls, f"{kernel}: {number_of_pulls} pulls")
        with case(f"{kernel}: after that both stop and leave nothing behind"):
            check(len(s.slots()) <= len(s.plugged), f"usbip-host holds {s.slots()}")
            s.down()
        with case(f"{kernel}: the kernel has nothing to complain about"):
            check(not s.complaints(), f"{s.complaints()}")


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "usbfs"]
    which = "usbfs" if "usbfs" in sys.argv else "kernel"
    version = words.pop(0) if words else "6.1"
    with tempfile.TemporaryDirectory(dir=WORK) as directory, case(f"{version}: ran to its end"):
        test(version, which, pathlib.Path(directory), *map(int, words + [PLUGS, PULLS][len(words):]))
    lab.finish()

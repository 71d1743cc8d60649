#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the stock tools do in the faults of t_faults.py, measured: no daemon of ours runs.

    stock.py [KERNEL] [WORD...]     the rows whose name has one of the words

Prints a line "NAME<TAB>WHAT WAS SEEN" for each. Seconds are the guest's own.
"""

import contextlib
import pathlib
import re
import sys
import tempfile
import time
import traceback

import lab
from lab import check
from scene import HALF, PLACES, SHELL, STUB, VHCI, WORK
from t_faults import CELLS, READ, WRITE, do, put_greedy, stock_attach, stock_bind, stock_detach
from t_main import packet

LONG, BACK = 600, 120  # seconds: for what may never end, and until something is back by itself
REAL = 60  # for both where time is not virtual
ROUNDS = 3  # the network's faults do not always end in the same way
WELL = "dd ends well"
PRESENT = "/sys/devices/platform/vhci_hcd.*/usb*/*-*/idVendor"  # what the client has found

# More functions for the guests. What they see they say in lines "KEY NUMBER".
TOOLS = SHELL + r"""
begin() { began=$(now); }
# watch SECONDS CONDITION...: says how long after `begin` each comes to hold; whether all do
watch() {
    most=$(($1 * 100)); shift
    while by=$(($(now) - began)); test $# -gt 0 && test $by -le $most; do
        for each; do
            shift
            if $each >/dev/null 2>&1; then echo "$each $by"; else set -- "$@" $each; fi
        done
        test $# = 0 || usleep $((by < 2000 ? 200000 : 2000000))
    done
    test $# = 0
}
rest() { by=$(($(now) - began)); test $by -ge $(($1 * 100)) || sleep $(($1 - by / 100)); }
ended() { ! kill -0 $job 2>/dev/null; }
probed() { ended; }
freed() { ! grep -q 2 STUB/*/usbip_status; }
both() { attached 2; }
present() { ls -d PRESENT 2>/dev/null | wc -l; }
count() { cat STUB/*/usbip_status 2>/dev/null | grep -c $1; }
ports() { grep -hE "^(hs|ss) +[0-9]+ $1" VHCI | wc -l; }
state() {
    printf '%s %s\n' bound $(count .) used $(count 2) attached $(ports 006) stuck $(ports '00[57]') \
        present $(present) usbipd $(pidof usbipd | wc -w)
}
# probe DISK: whether a block of it can be read
probe() {
    dd if=$1 of=/dev/null bs=4k count=1 iflag=direct >/dev/null 2>&1 & job=$!
    begin; watch 60 probed && { wait $job; echo "status $?"; }
}
""".replace("STUB", STUB).replace("VHCI", VHCI).replace("PRESENT", PRESENT)


def ask(guest, script):
    """What a script saw: {key: number}, of each the first."""
    text = guest.must(TOOLS + script + "\ntrue", 500)
    print("".join(f"#   {x}\n" for x in text.splitlines()), end="", file=sys.stderr, flush=True)
    return {key: int(value) for key, value in reversed(re.findall(r"^(\S+) (\d+)$", text, re.M))}


def says(s, role, command):
    """The exit status of a tool, and words about it; again if devices came while it read the ports."""
    for _ in range(20):
        status, text = s.guest(role).sh(f"{s.enter[role]} {command} 2>&1", 300)
        if "open vhci_driver" not in text:
            break
    print(f"#   {command}: status {status}: {text.strip()}", file=sys.stderr, flush=True)
    line = re.sub(r"^usbip\w*: (error: |info: )?", "", (text.strip().splitlines() or [""])[-1]).strip()
    return status, f"`{command}`: status {status}, " + (f"'{line}'" if line else "no word")


def when(seen, key, most, yes, no):
    return f"{yes} after {seen[key] / 100:.1f} s" if key in seen else f"{no} after {most} s"


def reading(seen):
    if "probed" not in seen:
        return "a read of the disk hangs for more than 60 s"
    return f"a read of the disk {'fails' if seen['status'] else 'works'} in {seen['probed'] / 100:.1f} s"


def copied(s):
    if "rror" in s.client.must("cat /tmp/dd"):
        return "dd fails"
    return WELL if s.stick.read_bytes()[HALF:] == s.flying else "dd ends well, but not all is written"


def times(each):
    return f"{sum(map(bool, each))} of {ROUNDS} times"


def synced(s):
    there = s.stick.read_bytes()[:HALF] == s.synced
    return f"what was synced before is {'' if there else 'not '}on the stick"


def busid_of(s, vendor):
    return s.host.wait("cd /sys/bus/usb/devices; for i in *-*; do case $(readlink $i) in *vhci_hcd*) ;; *) "
                       f"grep -qs {vendor} $i/idVendor && echo $i && exit ;; esac; done; false", 60).strip()


def driver(s, busid):
    """The driver a device has at the host."""
    link = s.host.sh(f"readlink /sys/bus/usb/devices/{busid}/driver")[1].strip()
    return f"with driver {link.rpartition('/')[2]}" if link else "without a driver"


def bind(s):
    s.client.must("modprobe vhci-hcd 2>/dev/null; true")
    return stock_bind(s)


def start(s):
    """Both devices are attached; half of the stick is written and synced."""
    bind(s)
    stock_attach(s)
    s.settle()


def by_hand(s):
    """Whether a person can attach both anew."""
    try:
        stock_detach(s)
        s.free(2, 60)
        stock_attach(s)
    except lab.LabError as error:
        return "cannot be attached by hand: " + str(error).partition("\n")[0]
    return "both can be attached by hand"


# The rows: each gets a place of its own where no daemon runs, and returns a sentence.

def failing(s, off, doing):
    """The start of a script in which the network fails, and what to watch then."""
    if not doing:
        return f"begin; {off}\n", "freed gone"
    transfer = s.transfer(READ) + " job=$dd" if doing == READ else (
        f"for n in 1 2 3 4; do dd if=/tmp/flying of={s.disk()} bs=4k seek={HALF >> 12} oflag=direct "
        "conv=fsync || break; done >/tmp/dd 2>&1 & job=$!; usleep 10000")
    return f"{transfer}; begin; {off}; ! ended || fail too quick\n", "freed gone ended"


def network(s, how, seconds, doing=None, lasting=False):
    """The network fails and is mended, three times; and fails for good."""
    off, on = s.cut(how)
    start(s)
    tries = []
    for _ in range(ROUNDS):
        begin, conditions = failing(s, off, doing)
        seen = ask(s.client, f"{begin} watch {seconds} {conditions}; rest {seconds}; {on}; "
                   f"watch {seconds + BACK} {conditions}; state; "
                   f"{'! ended ||' if doing else ''} probe {s.disk()}")
        seen["fine"] = doing and "ended" in seen and copied(s) == WELL
        seen["lost"] = s.stick.read_bytes()[:HALF] != s.synced
        tries.append(seen)
        if seen.get("status", 1) or seen["attached"] != 2:
            by_hand(s)
        s.settle()
    freed, gone = (sum(key in x for x in tries) for key in ("freed", "gone"))
    said = [f"the host lets go {freed}, the client {gone} of {ROUNDS} times" if freed or gone else
            "nobody lets go"]
    if doing:
        ends = [x["ended"] for x in tries if "ended" in x]
        said.append((f"dd ends well {times(x['fine'] for x in tries)}, " if doing == WRITE else "dd ") +
                    (f"ends after {min(ends) / 100:.1f} to {max(ends) / 100:.1f} s" if ends else "hangs"))
    said += [f"the disk can be read again {times(x.get('status') == 0 for x in tries)}",
             f"what was synced is lost {times(x['lost'] for x in tries)}"]
    if any(x["attached"] != 2 for x in tries):
        said.append(f"both are attached {times(x['attached'] == 2 for x in tries)}")
    if lasting:
        begin, conditions = failing(s, off, doing)
        seen = ask(s.client, f"{begin} watch {LONG} {conditions}")
        said += ["if it lasts: host: " + when(seen, "freed", LONG, "freed", "still in use"),
                 "client: " + when(seen, "gone", LONG, "lets go", "still attached")]
        said += [when(seen, "ended", LONG, "dd ends", "dd hangs")] if doing else []
    return "; ".join(said)


def lossy(s):
    start(s)
    disk = s.disk()
    s.client.must("modprobe sch_netem 2>/dev/null; for i in host0 client0; do "
                  "tc.real qdisc add dev $i root netem loss 5% delay 200ms; done")
    seen = ask(s.client, f"begin; dd if=/tmp/flying of={disk} bs=64k seek={HALF >> 16} conv=fsync "
               f">/tmp/dd 2>&1 & job=$!; watch {LONG} ended; state")
    return (f"{when(seen, 'ended', LONG, copied(s), 'dd hangs')}; {seen['attached']} of 2 attached; "
            + synced(s))


def kill(s, signal, session=True, pause=BACK):
    """The server is killed, or stopped; a person starts it again later."""
    (start if session else bind)(s)
    probe = f"probe {s.disk()}" if session else ""
    seen = ask(s.host, f"kill -{signal} $(pidof usbipd); soon 60 '! pidof usbipd'; sleep {pause}; state; "
               + probe)
    said = [f"{pause} s after: {seen['usbipd']} usbipd run, {seen['bound']} of 2 bound"]
    if session:
        said += [f"{seen['attached']} of 2 sessions go on", reading(seen)]
    said.append(says(s, "client", "usbip list -r host")[1])
    s.host.must(s.enter["server"] + " usbipd -D")
    s.host.wait(f"{s.enter['server']} netstat -ltn | grep -q :3240", 60)
    return "; ".join(said + [f"usbipd started by hand: {by_hand(s)}"])


def plugged(s, condition, vendor):
    """Whether a device that was plugged in comes to the client."""
    busid = busid_of(s, vendor)
    seen = ask(s.client, f"other() {{ grep -q {vendor} {PRESENT}; }}\nbegin; watch {BACK} {condition}")
    return f"{when(seen, condition, BACK, 'attached', 'not attached')}, at the host {driver(s, busid)}"


def unplug_busy(s):
    """Pulled out while data are written, and plugged in again."""
    start(s)
    disk = s.disk()
    ask(s.client, f"mknod /tmp/node b $(tr : ' ' </sys/block/{disk[5:]}/dev)\n"
        f"while dd if=/tmp/flying of=/tmp/node bs=4k seek={HALF >> 12} oflag=direct; do true; done "
        ">/tmp/dd 2>&1 &")
    s.unplug("stick")
    seen = ask(s.client, f"quiet() {{ ! pidof dd; }}\nbegin; watch {LONG} quiet; state")
    said = [copied(s) if "quiet" in seen else f"dd hangs for {LONG} s", f"{seen['attached']} of 2 attached"]
    s.plug_stick()
    s.host.wait("ls -d /sys/bus/usb/drivers/usb-storage/*:1.0", 120)
    return "; ".join(said + ["plugged in again: " + plugged(s, "both", "46f4"), synced(s)])


def another_device(s):
    start(s)
    s.unplug("keyboard")
    s.attached(1, 120)
    s.plug("serial", "usb-serial", "2")
    said = f"the other one: {plugged(s, 'other', '0403')}"
    s.unplug("serial")
    s.plug_keyboard()
    return f"{said}; the first one again: {plugged(s, 'both', '0627')}"


def flapping_device(s):
    start(s)
    for _ in range(10):
        s.unplug("keyboard")
        s.plug_keyboard()
        s.host.must("usleep 500000")
    return f"plugged in for the last time: {plugged(s, 'both', '0627')}"


def twenty_sockets(s):
    """Each is bound by hand, and pulled; two are bound already."""
    start(s)
    s.plug("hub", "usb-hub", "15")
    failed, bare = [], 0
    for number, port in enumerate([*range(3, 15), *(f"15.{n}" for n in range(1, 9))], 3):
        s.plug("turn", "usb-mouse", str(port))
        s.host.wait(f"ls -d /sys/bus/usb/drivers/usbhid/1-{port}:1.0", 60)
        status, words = says(s, "server", f"usbip bind -b 1-{port}")
        if status:
            failed.append(f"from the {number}th on: {words}")
            bare += driver(s, f"1-{port}") == "without a driver"
        s.unplug("turn")
    return (f"{failed[0]}; {len(failed)} are refused, {bare} of them left without a driver" if failed else
            "all can be bound")


def silent_server(s):
    """One says nothing at all; another lets itself be imported from and never answers again."""
    path = s.stick.parent / "import"
    path.write_bytes(packet("rep_import_ok"))  # of a device 2-1
    s.host.put(path, "/tmp/import")
    s.host.must("printf '#!/bin/sh\\nsleep 100000\\n' >/tmp/mute; printf '#!/bin/sh\\n"
                "dd bs=40 count=1 >/dev/null 2>&1; cat /tmp/import; sleep 100000\\n' >/tmp/silent; "
                "chmod +x /tmp/mute /tmp/silent")
    for port, name in ((4008, "mute"), (4007, "silent")):
        s.host.must(f"{s.enter['server']} nc -ll -p {port} -e /tmp/{name} >/dev/null 2>&1 &")
        s.host.wait(f"{s.enter['server']} netstat -ltn | grep -q :{port}", 60)
    busids, usbip = bind(s), f"{s.enter['client']} usbip"
    good = "; ".join(f"{usbip} attach -r host -b {busid}" for busid in busids)
    mute = ask(s.client, f"{usbip} -t 4008 attach -r host -b 2-1 & job=$!; begin; watch {LONG} ended")
    seen = ask(s.client, f"kill $(pidof usbip); good() {{ test $(present) = 2; }}\n"
               f"{usbip} -t 4007 attach -r host -b 2-1; {good}; begin; watch {LONG} good; state")
    check(seen["attached"] + seen["stuck"] == 3, "not all were attached")
    return ("attach to one that says nothing " + when(mute, "ended", LONG, "ends", "hangs") +
            f"; behind one that is silent after the import {seen['present']} of 2 good devices " +
            when(seen, "good", LONG, "are usable", "are usable") + f", {seen['stuck']} are stuck")


def error_state(s):
    """A peer asks for 2 GiB, at which usbip-host gives the device up."""
    bind(s)
    busid = busid_of(s, "0627")
    put_greedy(s, busid)
    seen = ask(s.client, f"usable() {{ test $(cat {STUB}/{busid}/usbip_status) = 1; }}\n"
               "{ cat /tmp/import; sleep 1; cat /tmp/submit; sleep 5; } | "
               f"{s.enter['client']} nc -w 9 host 3240 >/tmp/answer; echo answer $(wc -c </tmp/answer); "
               f"begin; watch {LONG} usable")
    check(seen["answer"] == 320, "the import was refused")
    return (when(seen, "usable", LONG, "usable again", "still not usable") + "; " +
            says(s, "client", f"usbip attach -r host -b {busid}")[1])


def no_module(s):
    s.host.must("! grep -q '^usbip_host ' /proc/modules && mv /lib/modules /lib/modules.away")
    busid = busid_of(s, "0627")
    said = [says(s, "server", x)[1] for x in ("usbipd -D", f"usbip bind -b {busid}")]
    return "; ".join(said + [f"the device is left {driver(s, busid)}"])


def read_only(s):
    busid = busid_of(s, "0627")
    s.host.must("modprobe usbip-host 2>/dev/null; mount -o remount,ro /sys")
    said = f"{says(s, 'server', f'usbip bind -b {busid}')[1]}; the device is left {driver(s, busid)}"
    seen = ask(s.host, f"mount -o remount,rw /sys; bound() {{ test -e {STUB}/{busid}; }}\n"
               f"begin; watch {BACK} bound")
    return f"{said}; writable again: {when(seen, 'bound', BACK, 'bound', 'not bound')}"


def few_descriptors(s):
    """24 of them, twelve more devices, and 30 who connect and say nothing."""
    bind(s)
    enter, usbip = s.enter["client"], f"{s.enter['client']} usbip"
    for port in range(3, 15):
        s.plug(f"more{port}", ("usb-mouse", "usb-tablet")[port % 2], str(port))
        s.host.wait(f"ls -d /sys/bus/usb/drivers/usbhid/1-{port}:1.0", 60)
        s.host.must(f"usbip bind -b 1-{port}")
    s.host.must(f"{SHELL} kill $(pidof usbipd); soon 60 '! pidof usbipd'; ulimit -n 24; "
                f" {s.enter['server']} usbipd -D; sleep 2")
    seen = ask(s.client, f"for i in $(ls {STUB} | grep '^[0-9]*-'); do for try in 1 2 3 4 5; do\n"
               f"{usbip} attach -r host -b $i 2>/dev/null && break; sleep 1; done; done; sleep 5\n"
               f"for i in $(seq 30); do sleep 100000 | {enter} nc host 3240 >/dev/null & done\n"
               f"sleep {LONG}; state; {usbip} list -r host & job=$!; begin; watch {LONG} ended")
    return (f"{seen['attached']} of 14 attached; {LONG} s later {seen['usbipd'] - 1} processes wait "
            f"for 30 who say nothing; {when(seen, 'ended', LONG, 'list ends', 'list hangs')}")


def power_cut_host(s):
    start(s)
    disk = s.disk()
    s.host.power_cut()
    seen = ask(s.client, f"begin; watch {REAL} gone")
    said = "client: " + when(seen, "gone", REAL, "lets go", "still attached")
    s.host.start()
    s.plugged.clear()
    s.plug_both()
    seen = ask(s.client, f"sleep 10; state; probe {disk}; sleep 20; echo later $(ports 006)")
    return (f"{said}; 10 s after the host is back {seen['attached']} are attached, {reading(seen)}; "
            f"20 s after that {seen['later']} are attached; {synced(s)}")


def client_lost(s, reboot):
    """The client goes, and is back."""
    start(s)
    if reboot:
        with contextlib.suppress(lab.LabError):
            s.client.must("reboot", 5)
        s.client.process.wait(300)
    else:
        s.client.power_cut()
    seen = ask(s.host, f"begin; watch {REAL} freed")
    s.client.start()
    s.client.must("modprobe vhci-hcd 2>/dev/null; true")
    words = says(s, "client", f"usbip attach -r host -b {busid_of(s, '46f4')}")[1]
    return f"host: {when(seen, 'freed', REAL, 'freed', 'still in use')}; client, back: {words}; {synced(s)}"


ROWS = (
    ("module missing at the host", no_module),
    ("cable of the host pulled for 8 s, writing", do(network, how="host", seconds=8, doing=WRITE)),
    ("cable of the host pulled for 60 s, idle", do(network, how="host", seconds=60)),
    ("cable of the host pulled for 60 s, writing", do(network, how="host", seconds=60, doing=WRITE)),
    ("black hole for 60 s, idle", do(network, how="silent", seconds=60, lasting=True)),
    ("black hole for 60 s, writing", do(network, how="silent", seconds=60, doing=WRITE, lasting=True)),
    ("black hole for 60 s, reading", do(network, how="silent", seconds=60, doing=READ)),
    ("packets lost and late", lossy),
    ("kill -9 of the server, idle", do(kill, signal="KILL", session=False)),
    ("kill -9 of the server, in session", do(kill, signal="KILL")),
    ("restart of the server", do(kill, signal="TERM", pause=1)),
    ("unplugged while writing", unplug_busy),
    ("another device in the same socket", another_device),
    ("/sys read-only at the host", read_only),
    ("few descriptors at the host", few_descriptors),
    ("a silent server beside a good one", silent_server),
    ("a device that a peer brings into its error state", error_state),
    ("flapping device", flapping_device),
    ("20 sockets in turn", twenty_sockets),
    ("power cut of the host, in session", power_cut_host),
    ("power cut of the client, in session", do(client_lost, reboot=False)),
    ("reboot of the client", do(client_lost, reboot=True)),
)


def row(kernel, name, function):
    """In a place of its own; whether it was measured."""
    place, = (cell[3] for cell in CELLS if cell[0] == name)
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(dir=WORK) as work, \
                PLACES[place].open(kernel, pathlib.Path(work)) as s:
            s.cell, before = name, s.complaints()
            s.plug_both()
            sentence = function(s)
            new = [x for x in s.complaints() if x not in before]
    except Exception:
        print(f"not ok - stock: {name}", flush=True)
        print(f"# {name}: {traceback.format_exc()}", file=sys.stderr, flush=True)
        return False
    print(f"ok - stock: {name}\t{sentence}" + (f"; the kernel complains: {new[0]}" if new else ""), flush=True)
    print(f"# {name}: {time.monotonic() - began:.1f} s by the clock on the wall", file=sys.stderr,
          flush=True)
    return True


def main():
    words = sys.argv[1:]
    kernel = words.pop(0) if words else "6.1"
    good = [row(kernel, *x) for x in ROWS if not words or any(w in x[0] for w in words)]
    sys.exit(0 if good and all(good) else 1)


if __name__ == "__main__":
    main()

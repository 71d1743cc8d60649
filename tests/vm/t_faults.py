#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Faults of every kind, on each side: after each fault every device is where it should be.

    t_faults.py [KERNEL] [usbfs] [--fast] [WORD...]     the cells whose name has one of the words

usbfs: on a host without usbip-host.
"""

import collections
import contextlib
import functools
import pathlib
import struct
import sys
import tempfile
import time

import image
import lab
from lab import check
from scene import HALF, OWN, PLACES, SHELL, SOON, STUB, VHCI, WORK
from t_main import packet

MODULE = {"server": "usbip-host", "client": "vhci-hcd"}


# The cells: each gets a scene that is ready and clean; what it leaves is checked after it.

def survives(s, how, seconds, options=""):
    """The network fails while data is written; nobody notices. A disk waits 30 s, unless told."""
    off, on = s.cut(how)
    s.up(options)
    if seconds >= 30:
        s.client.must(f"echo 200 >/sys/block/{s.disk()[5:]}/device/timeout")
    s.timed(s.client, s.transfer() +
            f"{off}; kill -0 $dd || fail 'the transfer was too quick'; sleep {seconds}; {on}\n"
            "soon 300 '! kill -0 $dd'; wait $dd || fail \"dd: $(cat /tmp/dd)\"")
    s.same(whole=True)


def long_cut(s, how, doing=None, soon=SOON):
    """The network fails for longer than a connection lives: both ends let go, and meet again."""
    off, on = s.cut(how)
    s.up()
    s.timed(s.client, begin(s, doing) + f"{off}; {busy(doing)} cut=$(now)\n"
            f"soon {soon} freed || fail the host does not let go\n"
            f"soon $(({soon} - ($(now) - cut) / 100)) gone || fail the client does not let go\n"
            f"sleep $((60 - ($(now) - cut) / 100)); {on}; soon 120 attached 2")
    s.again()


def begin(s, doing):
    return s.transfer(doing) if doing else ""


def busy(doing):
    return "kill -0 $dd || fail the transfer was too quick;" if doing else ""


def stock_host(s, doing=None):
    """usbipd has no idea; our client lets go by itself."""
    off, on = s.cut("silent")
    busids = stock_bind(s)
    s.run("client")
    s.settle()
    s.timed(s.client, begin(s, doing) +
            f"{off}; {busy(doing)} soon {SOON} gone || fail the client does not let go; {on}")
    s.data_on_stick()
    check(s.term("client") == 0, "the client's status is not 0")
    stock_unbind(s, busids)


def stock_bind(s):
    """The stock usbipd serves both devices."""
    s.host.must(f"modprobe usbip-host 2>/dev/null; {s.enter['server']} usbipd -D")
    s.host.wait(f"{s.enter['server']} netstat -ltn | grep -q :3240", 60)
    busids = s.host.must(f"ls -d {OWN} | sed 's,.*/,,; s,:.*,,'").split()
    for busid in busids:
        s.host.must(f"usbip bind -b {busid}")
    return busids


def stock_unbind(s, busids):
    s.expected = "bad unlock balance"  # Linux 6.1's own, at the -1 (usbip_sockfd_store())
    s.host.must(f"kill $(pidof usbipd); for i in {STUB}/*/usbip_sockfd; do "
                "test $(cat ${i%sockfd}status) != 2 || echo -1 >$i; done; true")
    s.free(len(busids), 60)
    for busid in busids:
        s.host.must(f"usbip unbind -b {busid}")


def stock_client(s, doing=None):
    """`usbip attach` notices nothing for hours; our server frees the devices by itself."""
    off, on = s.cut("silent")
    s.run("server")
    s.bound(2, 120)
    s.client.must("modprobe vhci-hcd 2>/dev/null; true")
    stock_attach(s)
    s.settle()
    s.timed(s.client, begin(s, doing) +
            f"{off}; {busy(doing)} soon {SOON} freed || fail the host does not let go; {on}")
    s.data_on_stick()
    stock_detach(s)
    stock_attach(s)
    s.again()
    stock_detach(s)
    s.free(2, 120)


def stock_attach(s):
    # what the client has just detached may still be there as a device of the same machine
    for busid in s.host.must("usbiphp list | grep -E '^[0-9].* (usbip-host|usbfs) ' | cut -d' ' -f1").split():
        s.client.wait(f"{s.enter['client']} usbip attach -r host -b {busid}", 60)
    s.attached(2, 120)


def stock_detach(s):
    s.client.must(f"for p in $(awk '$3 == 6 {{ print $2 }}' {VHCI}); do usbip detach -p $p; done; true")
    s.attached(0, 120)


def lossy(s):
    """5 % of the packets are lost and all are late, both ways."""
    s.up()
    s.client.must("modprobe sch_netem 2>/dev/null; for i in host0 client0; do "
                  "tc.real qdisc add dev $i root netem loss 5% delay 200ms; done")
    s.timed(s.client, f"soon 600 dd if=/tmp/flying of={s.disk()} bs=64k seek={HALF >> 16} conv=fsync")
    s.same(whole=True)
    s.client.must("for i in host0 client0; do tc.real qdisc del dev $i root; done")
    s.same(whole=True)


def flapping_link(s, how):
    off, on = s.cut(how)
    s.up()
    s.timed(s.client, s.transfer() +
            f"for n in 1 2 3 4 5 6 7 8 9 10; do {off}; usleep 500000; {on}; usleep 500000; done\n"
            "soon 300 '! kill -0 $dd'; wait $dd || fail \"dd: $(cat /tmp/dd)\"")
    s.same(whole=True)


def kill_idle_server(s):
    """Nothing is attached; the successor goes on."""
    s.run("server")
    s.bound(2, 120)
    s.kill("server")
    s.run("server")
    s.run("client")
    s.settle()


def kill_in_session(s, role):
    """The sessions are the kernel's; the successor takes them over."""
    s.up()
    s.kill(role)
    s.same()
    s.run(role)
    s.guest(role).must("sleep 25", 240)
    s.same()


def run_other(s, role):
    """The other daemon; what this one needs on its command line."""
    if role == "server":
        s.run("client")
        return ""
    s.run("server")
    s.bound(2, 120)
    return "host"


def kill_early(s, role, rounds=10, step=3000):
    """Killed ever later after its start, each successor before the earlier one's children ended."""
    server = run_other(s, role)
    for i in range(rounds):
        s.guest(role).must(f"{s.enter[role]} usbiphp-{role} {server} >>/tmp/{role}.log 2>&1 & "
                           f"usleep {i * step}; kill -9 $(pidof usbiphp-{role}) $!; wait; true", 60)
    s.run(role)
    s.settle()


def dead(role):
    """Shell commands that end a daemon, its children, and who traces them."""
    return (f"soon 20 '! kill -9 $(pidof usbiphp-{role}) 2>/dev/null && ! pidof usbiphp-{role}'; "
            "kill -9 $(pidof strace) 2>/dev/null")


def kill_at_each_write(s, role, writes=12):
    """It, or its child, is killed on its way into the first write, the second, ... each heir goes on."""
    server = run_other(s, role)
    done = 0
    for n in range(1, writes + 1):
        s.guest(role).must(
            f"{SHELL} {s.enter[role]} strace -f -qq -o /tmp/trace -e trace=write "
            f"-e inject=write:signal=KILL:when={n} usbiphp-{role} {server} >>/tmp/{role}.log 2>&1 &\n"
            f"soon 8 '! pidof strace'; {dead(role)}; true", 240)
        done += int(s.guest(role).must("grep -c 'killed by SIGKILL' /tmp/trace; true"))
    check(done >= writes, f"{done} were killed by {writes} runs")
    s.run(role)
    s.settle()
    s.descriptors = {}  # the client may have yet to notice that this one pushes its list


def kill_at_each_write_of_its_end(s, role, writes=8):
    """The same while it gives everything back."""
    if role == "server":  # the heir has no socket of such a session, only the -1: see stock_unbind()
        s.expected = "bad unlock balance"
    s.run("server" if role == "client" else "client")
    done = 0
    for n in range(1, writes + 1):
        s.run(role)
        s.attached(2, 240)
        s.guest(role).must(
            f"{SHELL} pid=$(pidof usbiphp-{role}); strace -f -qq -o /tmp/trace -e trace=write "
            f"-e inject=write:signal=KILL:when={n} -p $pid & "
            "soon 20 '! grep -q TracerPid:.0 /proc/$pid/status' && kill $pid\n"
            f"soon 40 '! pidof strace'; {dead(role)}; true", 240)
        done += int(s.guest(role).must("grep -c 'killed by SIGKILL' /tmp/trace; true"))
    check(done >= 4, f"{done} were killed by {writes} runs")
    s.run(role)
    s.settle()
    s.descriptors = {}


def kill_in_bind(s):
    """Killed again and again while six more devices come."""
    s.run("server")
    s.run("client")
    s.attached(2, 240)
    for i in range(6):
        s.plug(f"more{i}", ("usb-mouse", "usb-tablet")[i % 2], str(i + 5))
        s.host.must(f"usleep {20000 * i}; {lab.kill('usbiphp-server', 'KILL')}")
        s.run("server")
    if s.host.sh("sleep 10; pidof usbiphp-server")[0]:
        s.run("server")  # as a supervisor does: it was refused while a killed one's child had the lock
    s.settle(8)
    for i in range(6):
        s.unplug(f"more{i}")
    s.settle()


def kill_in_import(s):
    """The server is killed while the client imports."""
    s.run("server")
    s.bound(2, 120)
    for i in range(8):
        s.run("client")
        s.host.must(f"usleep {10000 * i}; {lab.kill('usbiphp-server', 'KILL')}")
        s.run("server")
        s.attached(2, 240)
        s.term("client")
        s.free(2, 120)
    s.run("client")
    s.settle()


def kill_idle_client(s):
    """It has nothing attached."""
    for ident in ("stick", "keyboard"):
        s.unplug(ident)
    s.run("server")
    s.run("client")
    s.client.wait("test -f /var/run/usbiphp/client.lock", 60)
    s.kill("client")
    s.run("client")
    s.plug_stick()
    s.plug_keyboard()
    s.settle()


def restart(s, role):
    """Stopped and started: all is given back, and taken again."""
    s.up()
    status = s.term(role)
    check(status == 0, f"status {status}")
    s.attached(0, 120)
    if role == "client":
        s.free(2, 120)
    s.run(role)
    s.again()


def restart_usbipd(s):
    """The stock usbipd dies and comes back; sessions stay, what is bound later comes."""
    busids = stock_bind(s)
    s.run("client")
    s.settle()
    s.host.must("kill -9 $(pidof usbipd)")
    s.host.wait("! pidof usbipd", 60)
    s.client.must("sleep 15")
    s.same()
    s.host.must(s.enter["server"] + " usbipd -D")
    s.host.must(f"usbip unbind -b {busids[0]}")
    s.attached(1, 60)
    s.host.must(f"usbip bind -b {busids[0]}")
    s.again()
    s.no_growth()
    check(s.term("client") == 0, "the client's status is not 0")
    stock_unbind(s, busids)


def unplug_busy(s, doing):
    """Pulled out while data moves, and plugged in again."""
    s.up()
    s.timed(s.client, s.transfer(doing, endless=True))
    s.unplug("stick")
    s.client.wait("! pidof dd", 120)
    s.attached(1, 120)
    s.plug_stick()
    s.again()


def another_device(s):
    """Another device in the same socket, in session, and the first one again."""
    s.up()
    for _ in range(2):
        s.unplug("keyboard")
        s.plug("serial", "usb-serial", "2")
        s.has("0403")
        s.unplug("serial")
        s.plug_keyboard()
        s.has("0627")
    s.again()


def clock(s, days):
    s.up()
    s.timed(s.client, s.transfer() + f"date -s @$(($(date +%s) + {days * 86400})); sleep 20\n"
            "soon 300 '! kill -0 $dd'; wait $dd || fail \"dd: $(cat /tmp/dd)\"")
    s.same(whole=True)
    s.host.must(f"date -s @$(($(date +%s) - {days * 86400})); sleep 20", 300)
    s.same(whole=True)


def full_run(s, role):
    """No byte can be written below its run directory: it says so once, and works. But a holder needs a page."""
    holders = lab.USBFS and role == "server"
    s.guest(role).must("mkdir -p /run/small; mount -t tmpfs -o size=64k none /run/small; "
                       "dd if=/dev/zero of=/run/small/fill bs=4k 2>/dev/null; true")
    if holders:
        s.run("server", "--run /run/small/usbiphp")
        s.run("client")
        s.host.wait("test $(grep -c 'cannot export .*: No space left' /tmp/server.log) = 2", 120)
        s.host.must("rm /run/small/fill")
        s.attached(2, 240)
        s.settle()
    else:
        s.up(**{role: "--run /run/small/usbiphp"})
    lines = [x for x in s.log(role).splitlines() if "No space left" in x]
    check(lines and len(lines) == len(set(lines)), f"not said once each: {lines}")
    s.again()
    check(s.term(role) == 0, f"status of the {role} is not 0")
    # the client's file of ports is the next one's
    left = s.guest(role).must("cd /run/small; rm -f fill usbiphp/places; rmdir usbiphp 2>/dev/null; "
                              "find . -mindepth 1; cd /; umount /run/small")
    check(not left, f"left: {left.split()}")
    s.run(role)
    s.again()


def read_only(s, role):
    s.guest(role).must(f"modprobe {MODULE[role]} 2>/dev/null; mount -o remount,ro /sys")
    s.refuses(role, "Read-only file system", "--engine kernel")
    if role == "server":
        without_module(s, "usbip-host cannot be used: Read-only file system")
    s.guest(role).must("mount -o remount,rw /sys")
    s.up()


def without_module(s, why):
    """The server exports both devices nevertheless, says why, and gives them back."""
    s.run("server")
    s.host.wait("test $(grep -c ': exported' /tmp/server.log) = 2", 120)
    check(s.term("server") == 0, "status is not 0")
    s.host.must(f"ls -d {OWN}")
    check(s.log("server").count(f"exported by usbfs: {why}") == 1, s.log("server"))


def read_only_later(s):
    """While both run (it is the same for both); a device that comes meanwhile waits for the client."""
    s.up()
    s.host.must("mount -o remount,ro /sys")
    s.unplug("keyboard")
    s.plug_keyboard()
    s.host.wait("grep -q 'Read-only file system' /tmp/server.log", 120)
    s.host.must("sleep 30; mount -o remount,rw /sys", 240)
    s.again()
    # usbfs has it now, and usbip-host its place
    s.unplug("keyboard")
    s.plug_keyboard()
    s.host.wait(f"grep -q 0627 {STUB}/1-2/idVendor", 120)
    s.again()
    check(s.log("server").count("Read-only file system") == 1, "said more than once")


def no_module(s, role):
    """Before the first device was exported: to unload usbip-host later may crash the kernel."""
    name = MODULE[role].replace("-", "_")
    s.guest(role).must(f"! grep -q '^{name} ' /proc/modules || rmmod {name}; "
                       "mv /lib/modules /lib/modules.away")
    s.refuses(role, MODULE[role], "--engine kernel")
    if role == "server":
        without_module(s, "usbip-host is not loaded")
    s.guest(role).must("mv /lib/modules.away /lib/modules")


def cpu(guest, role, seconds=20):
    """Hundredths of a second that a daemon used in that time."""
    read = f"awk '{{ print $14 + $15 }}' /proc/$(pidof usbiphp-{role})/stat"
    before, after = guest.must(f"{read}; sleep {seconds}; {read}", 300).split()
    return int(after) - int(before)


def few_descriptors(s, role):
    """Few descriptors and twelve more devices: it does what it can, does not spin; its heir has all. A server
    has one more for each holder, and what it needs to start one."""
    few = 24 if role == "client" else 56 if lab.USBFS else 32
    s.run(role, before=f"ulimit -n {few};")
    s.run("client" if role == "server" else "server")
    s.settle()
    for i in range(12):
        s.plug(f"more{i}", ("usb-mouse", "usb-tablet")[i % 2], str(i + 3))
    s.bound(14, 240)
    s.client.must("sleep 60", 300)
    used = cpu(s.guest(role), role)
    check(used < 1000, f"the {role} used {used / 20:.0f} % of the processor")
    for each in ("server", "client"):
        # attempts to attach are ever rarer, the server says of each whose it was
        lines = s.log(each).splitlines()
        check(len(lines) < 200, f"{len(lines)} lines in the log of the {each}")
        (line, times), = collections.Counter(lines).most_common(1)
        check(times <= 8, f"{times} times in the log of the {each}: {line}")
    s.kill(role)
    s.run(role)
    s.settle(14)
    for i in range(12):
        s.unplug(f"more{i}")
    s.again()
    s.descriptors = {}


def no_fork(s, role):
    """No process can be started for a while."""
    group = "/run/cgroup/few"
    s.guest(role).must(f"mkdir -p /run/cgroup; mount -t cgroup2 none /run/cgroup; mkdir -p {group}; "
                       f"echo +pids >/run/cgroup/cgroup.subtree_control; echo max >{group}/pids.max")
    s.up()
    s.guest(role).must(f"echo $(pidof usbiphp-{role}) >{group}/cgroup.procs; echo 1 >{group}/pids.max")
    s.unplug("keyboard")
    s.plug_keyboard()
    if role == "server":
        s.host.wait("grep -q 'cannot export .*Resource temporarily unavailable' /tmp/server.log", 240)
        s.host.wait("ls -d /sys/bus/usb/drivers/usbhid/*:1.0", 60)
    else:
        s.client.must("sleep 30", 240)
    s.guest(role).must(f"echo max >{group}/pids.max")
    s.again()
    s.is_quiet()
    s.guest(role).must(f"cat {group}/cgroup.procs | while read p; do echo $p >/run/cgroup/cgroup.procs; "
                       f"done; rmdir {group}; umount /run/cgroup")


def inspector(role):
    """A shell command that prints the process that finds out what the host needs."""
    # busybox's pidof finds no name of fifteen bytes
    return ("for i in $(grep -lsx usbiphp-inspect /proc/[0-9]*/comm); do i=${i%/comm}; "
            f"grep -qx \"PPid:.$(pidof usbiphp-{role})\" $i/status && echo ${{i##*/}}; done")


def hold(s):
    """A program of the client's opens the disk exclusively."""
    s.client.must(f"hold {s.disk()} >/dev/null 2>&1 & "
                  f"{SHELL} soon 60 'readlink /proc/'$!'/fd/3'", 240)


def held_disk(s, way):
    """A program holds a disk at the client: it stays attached, until the program lets go."""
    s.up()
    hold(s)
    if way == "stop":
        check(s.term("client") == 0, "the client's status is not 0")
    else:
        s.client.must("mkdir -p /etc/usbiphp; echo deny >/tmp/rules")
        s.term("client")
        s.run("client", "--rules /tmp/rules")
    s.client.wait("grep -q 'stays attached: ' /tmp/client.log", 120)
    s.attached(1)
    s.data_is_there()
    s.client.must("kill $(pidof hold)")
    if way == "rule":
        s.client.must(f"{SHELL} soon 60 attached 0", 300)
        s.term("client")
    s.run("client")


def dead_inspector(s, role):
    """What cannot be found out counts as needed; what goes on needs no answer."""
    s.up()
    s.guest(role).must(f"kill -9 $({inspector(role)})")
    s.same()
    s.guest(role).wait(f"grep -q 'until the daemon is restarted: ' /tmp/{role}.log", 120)
    if role == "server":
        s.unplug("keyboard")
        s.plug_keyboard()
        s.host.wait("grep -q 'left alone: this host may need it: ' /tmp/server.log", 120)
        s.host.wait("ls -d /sys/bus/usb/drivers/usbhid/*:1.0", 60)
        s.attached(1)
        s.data_is_there()
        check(s.term(role) == 0, "the server's status is not 0")
    else:
        check(s.term(role) == 0, "the client's status is not 0")
        s.attached(1)
        s.data_is_there()
    s.run(role)


def slow_inspector(s):
    """It answers late, as when a disk does not answer: nothing else waits for it."""
    s.run("server")
    s.bound(2, 120)
    # a job that is about to end has the server's name, too
    s.host.wait(f"kill -STOP $({inspector('server')})", 60)
    s.run("client")
    s.settle()
    s.unplug("keyboard")
    s.plug_keyboard()
    s.host.wait("grep -q 'left alone: this host may need it: a disk or driver does not answer' "
                "/tmp/server.log", 120)
    s.data_is_there()
    s.host.must(f"kill -CONT $({inspector('server')})")


def hanging_survey(s, killed):
    """A survey does not come to its end, and the next question gets another one."""
    s.up()
    s.host.must("rm -f /etc/fstab; mkfifo /etc/fstab")
    s.unplug("keyboard")
    s.plug_keyboard()
    if killed:
        s.host.wait(f"kill -9 $(grep -lsx \"PPid:.$({inspector('server')})\" /proc/[0-9]*/status | "
                    "cut -d / -f 3)", 60)
    reason = "usbiphp-inspect was killed" if killed else "a disk or driver does not answer"
    s.host.wait(f"grep -q 'left alone: this host may need it: {reason}' /tmp/server.log", 120)
    s.attached(1)
    # who waits in the pipe goes on waiting
    s.host.must("rm /etc/fstab")
    s.attached(2, 120)
    s.data_is_there()


JUNK = {
    "empty": b"",
    "binary": bytes(range(256)) * 40,
    "one long line": b"1-1" * 4000,
    "truncated": b"2-",
    "from elsewhere": b"9-9\n7-1.2\n../../etc\n1-1:1.0\nusb1\n",
}


def junk_notes(s, role):
    """Notes that say nothing, or what is not so."""
    names = ["bound"] if role == "server" else [f"port{n}" for n in (0, 3, 15, 999)]
    path = s.stick.parent / "junk"
    for what, data in JUNK.items():
        path.write_bytes(data)
        s.guest(role).must("mkdir -p -m 755 /var/run/usbiphp /var/run/vhci_hcd")
        for name in names:
            s.guest(role).put(path, f"/var/run/usbiphp/{name}")
            if role == "client":
                s.guest(role).put(path, f"/var/run/vhci_hcd/{name}")
        s.up()
        for each in ("client", "server"):
            status = s.term(each)
            check(status == 0, f"{what}: status {status} of the {each}")
        left = s.guest(role).sh("ls /var/run/usbiphp 2>/dev/null")[1].split()
        s.guest(role).must("rm -rf /var/run/usbiphp /var/run/vhci_hcd")
        check(role == "client" or not left, f"{what}: left: {left}")
    s.up()


def silent_server(s):
    """A server that lets itself be imported from and never answers, beside a good one."""
    for name, fixture in (("list", "rep_devlist_several"), ("import", "rep_import_ok")):
        path = s.stick.parent / name
        path.write_bytes(packet(fixture))
        s.host.put(path, f"/tmp/{name}")
    s.host.must("printf '#!/bin/sh\\nc=$(dd bs=8 count=1 2>/dev/null | od -An -tx1)\\n"
                "case $c in *80?05*) cat /tmp/list;; *) dd bs=32 count=1 >/dev/null 2>&1;"
                " cat /tmp/import; sleep 1000;; esac\\n' >/tmp/silent; chmod +x /tmp/silent")
    s.host.must(f"{s.enter['server']} nc -ll -p 4007 -e /tmp/silent >/dev/null 2>&1 &")
    s.host.wait(f"{s.enter['server']} netstat -ltn | grep -q :4007", 60)
    s.run("server")
    s.bound(2, 120)
    s.run("client", servers="host:4007 host")
    s.timed(s.client, "soon 25 'test $(ls -d /sys/devices/platform/vhci_hcd.*/usb*/*-*/idVendor | wc -l)"
            " = 2' || fail the good devices wait for the silent ones")
    s.client.wait("grep -q 'its server took it but never answered' /tmp/client.log", 240)
    s.host.must("kill $(pidof nc) $(pidof silent); true")
    s.attached(2, 240)
    s.data_in()


def put_greedy(s, busid):
    """What a peer sends that imports a device and asks for 2 GiB: /tmp/import, /tmp/submit."""
    number = s.host.must(f"cat {STUB}/{busid}/busnum {STUB}/{busid}/devnum").split()
    devid = int(number[0]) << 16 | int(number[1])
    for name, data in (("import", struct.pack(">HHI32s", 0x111, 0x8003, 0, busid.encode())),
                       ("submit", struct.pack(">5I4xI20x", 1, 1, devid, 0, 0, 0x7fffffff))):
        path = s.stick.parent / name
        path.write_bytes(data)
        s.client.put(path, f"/tmp/{name}")


def error_state(s):
    """A peer asks for 2 GiB, at which usbip-host gives the device up; it is bound anew."""
    s.run("server")
    s.bound(2, 120)
    busid = s.host.must(f"basename $(dirname $(grep -l 0627 {STUB}/*/idVendor))").strip()
    s.expected = "page_alloc"  # the kernel warns of so large an order
    put_greedy(s, busid)
    error = (f"{{ cat /tmp/import; sleep 1; cat /tmp/submit; sleep 3; }} | {s.enter['client']} "
             "nc -w 9 host 3240 >/tmp/answer; "
             "test $(wc -c </tmp/answer) = 320 || fail the import was refused\n")
    free = f"test \"$(cat {STUB}/{busid}/usbip_status)\" = 1"
    for _ in range(3):
        s.timed(s.client, error)
        s.host.wait(free, 240)
    lines = [x for x in s.log("server").splitlines() if "in its error state" in x]
    check(len(lines) == 1, f"said {len(lines)} times")
    s.kill("server")
    s.run("server")
    s.host.wait("test -f /var/run/usbiphp/server.lock", 60)
    s.timed(s.client, f"({error}) & soon 20 grep -q 3 {STUB}/{busid}/usbip_status && "
            "kill -9 $(pidof usbiphp-server); wait")
    s.host.must(f"usbiphp-server --once 2>>/tmp/server.log && {free}", 60)
    s.run("server")
    s.run("client")
    s.settle()


def flapping_device(s):
    """A bad contact: it comes to rest in the end, and the log stays short."""
    s.up()
    for _ in range(10):
        s.unplug("keyboard")
        s.plug_keyboard()
        s.host.must("usleep 500000")
    s.again()
    for role in ("server", "client"):
        lines = s.log(role).splitlines()
        check(len(lines) < 60, f"{len(lines)} lines in the log of the {role}")


def twenty_sockets(s):
    """More bus ids, one after the other, than usbip-host has slots for: two are taken already."""
    s.up()
    s.plug("hub", "usb-hub", "15")
    # the emulator's hub does not always wake up for a new device
    s.host.wait("cd /sys/bus/usb/devices/1-15 && { ! test -e power/control || echo on >power/control; }",
                60)
    engines = []
    for port in [str(n) for n in range(3, 15)] + [f"15.{n}" for n in range(1, 9)]:
        s.plug("turn", "usb-mouse", port)
        line = s.host.wait(f"usbiphp list | grep '^1-{port} .*in use by'", 120)
        engines.append("usbfs" if "usbfs" in line else "kernel")
        s.unplug("turn")
        s.attached(2, 120)
    check(engines == ["kernel"] * 14 + ["usbfs"] * 6, f"engines: {engines}")
    check(s.log("server").count("exported by usbfs: usbip-host knows at most 16 bus ids") == 1, s.log("server"))
    s.plug("turn", "usb-mouse", "3")
    s.attached(3, 120)
    for ident in ("turn", "hub"):
        s.unplug(ident)
    s.again()


# Cells for two machines.

def power_cut(s, role, session):
    """The power of one machine fails, and returns. Idle: without a session, or without a device."""
    if session:
        s.up()
    else:
        s.run("server")
        s.bound(2, 120)
        if role == "server":
            s.run("client")
            s.attached(2, 120)
    s.guest(role).power_cut()
    if role == "server":
        s.timed(s.client, f"soon {SOON} gone || fail the client does not let go")
    elif session:
        s.timed(s.host, f"soon {SOON} freed || fail the host does not let go")
    power_on(s, role)


def power_on(s, role):
    """What is in the sockets stays there; the daemon starts at boot."""
    s.guest(role).start()
    if role == "server":
        s.plugged.clear()
        s.plug_both()
    s.run(role)
    s.settle()


def reboot(s, role):
    """An orderly one: its daemon is told to stop by init."""
    s.up()
    guest = s.guest(role)
    complaints = s.complaints()
    check(not complaints, f"{complaints}")
    with contextlib.suppress(lab.LabError):
        guest.must("reboot", 5)
    guest.process.wait(300)
    if role == "server":
        s.timed(s.client, f"soon {SOON} gone || fail the client does not let go")
    else:
        s.timed(s.host, f"soon {SOON} freed || fail the host does not let go")
    power_on(s, role)


do = functools.partial
WRITE, READ = "write", "read"

# name, function, how it ends: the same sessions ("same"), attached be it anew ("again"), with its own
# driver ("own"), where: one machine ("box") or two ("pair"), marks: "fast" is in `make test`, "modules"
# wants a kernel that has some, "last" leaves usbip-host full, "stub" is about usbip-host or needs it.
CELLS = (
    ("module missing at the host", do(no_module, role="server"), "own", "box", "modules fast"),
    ("module missing at the client", do(no_module, role="client"), "own", "box", "modules fast"),
    ("cable of the host pulled for 1 s, writing", do(survives, how="host", seconds=1), "same", "box", ""),
    ("cable of the client pulled for 1 s, writing", do(survives, how="client", seconds=1), "same", "box",
     ""),
    ("cable of the host pulled for 8 s, writing", do(survives, how="host", seconds=8), "same", "box",
     "fast"),
    ("cable of the client pulled for 8 s, writing", do(survives, how="client", seconds=8), "same", "box",
     ""),
    ("cable of the host pulled for 60 s, idle", do(long_cut, how="host"), "again", "box", ""),
    ("cable of the client pulled for 60 s, idle", do(long_cut, how="client"), "again", "box", ""),
    ("cable of the host pulled for 60 s, writing", do(long_cut, how="host", doing=WRITE), "again", "box",
     ""),
    ("cable of the client pulled for 60 s, writing", do(long_cut, how="client", doing=WRITE), "again",
     "box", ""),
    ("cable pulled for 60 s, writing, --dead-after 0",
     do(survives, how="host", seconds=60, options="--dead-after 0"), "same", "box", ""),
    ("cable pulled for 60 s, writing, --dead-after 120",
     do(survives, how="client", seconds=60, options="--dead-after 120"), "same", "box", "fast"),
    ("black hole for 8 s, writing", do(survives, how="silent", seconds=8), "same", "box", ""),
    ("black hole for 60 s, idle", do(long_cut, how="silent"), "again", "box", "fast"),
    ("black hole for 60 s, writing", do(long_cut, how="silent", doing=WRITE), "again", "box", "fast"),
    ("black hole for 60 s, reading", do(long_cut, how="silent", doing=READ), "again", "box", ""),
    ("unreachable for 60 s, writing", do(long_cut, how="unreachable", doing=WRITE), "again", "box", ""),
    ("black hole, stock usbipd, idle", stock_host, "own", "box", "stub"),
    ("black hole, stock usbipd, writing", do(stock_host, doing=WRITE), "own", "box", "stub"),
    ("black hole, stock attach, idle", stock_client, "own", "box", ""),
    ("black hole, stock attach, writing", do(stock_client, doing=WRITE), "own", "box", ""),
    ("packets lost and late", lossy, "same", "box", ""),
    ("flapping link of the host", do(flapping_link, how="host"), "same", "box", ""),
    ("flapping link of the client", do(flapping_link, how="client"), "same", "box", ""),
    ("kill -9 of the server, idle", kill_idle_server, "again", "box", ""),
    ("kill -9 of the server, in session", do(kill_in_session, role="server"), "same", "box", "fast"),
    ("kill -9 of the server, at its start", do(kill_early, role="server"), "again", "box", ""),
    ("kill -9 of the server, at each write", do(kill_at_each_write, role="server"), "again", "box", ""),
    ("kill -9 of the server, at each write of its end",
     do(kill_at_each_write_of_its_end, role="server"), "again", "box", ""),
    ("kill -9 of the server, as devices come", kill_in_bind, "again", "box", ""),
    ("kill -9 of the server, as devices are imported", kill_in_import, "again", "box", ""),
    ("kill -9 of the client, idle", kill_idle_client, "again", "box", ""),
    ("kill -9 of the client, in session", do(kill_in_session, role="client"), "same", "box", "fast"),
    ("kill -9 of the client, as it attaches", do(kill_early, role="client"), "again", "box", ""),
    ("kill -9 of the client, at each write", do(kill_at_each_write, role="client"), "again", "box", ""),
    ("kill -9 of the client, at each write of its end",
     do(kill_at_each_write_of_its_end, role="client"), "again", "box", ""),
    ("restart of the server", do(restart, role="server"), "again", "box", ""),
    ("restart of the client", do(restart, role="client"), "again", "box", ""),
    ("restart of the stock usbipd", restart_usbipd, "own", "box", "stub"),
    ("unplugged while writing", do(unplug_busy, doing=WRITE), "again", "box", "fast"),
    ("unplugged while reading", do(unplug_busy, doing=READ), "again", "box", ""),
    ("another device in the same socket", another_device, "again", "box", ""),
    ("clock a day ahead, and back", do(clock, days=1), "same", "box", ""),
    ("clock a day back, and ahead", do(clock, days=-1), "same", "box", ""),
    ("/run full at the host", do(full_run, role="server"), "again", "box", "fast"),
    ("/run full at the client", do(full_run, role="client"), "again", "box", "fast"),
    ("/sys read-only at the host", do(read_only, role="server"), "again", "box", "stub fast"),
    ("/sys read-only at the client", do(read_only, role="client"), "again", "box", "fast"),
    ("/sys becomes read-only", read_only_later, "again", "box", "stub"),
    ("few descriptors at the host", do(few_descriptors, role="server"), "again", "box", ""),
    ("few descriptors at the client", do(few_descriptors, role="client"), "again", "box", ""),
    ("no new process at the host", do(no_fork, role="server"), "again", "box", ""),
    ("no new process at the client", do(no_fork, role="client"), "again", "box", ""),
    ("a held disk, stop of the client", do(held_disk, way="stop"), "again", "box", "fast"),
    ("a held disk, denied by a rule", do(held_disk, way="rule"), "again", "box", ""),
    ("kill -9 of the server's inspector", do(dead_inspector, role="server"), "again", "box", "fast"),
    ("kill -9 of the client's inspector", do(dead_inspector, role="client"), "again", "box", ""),
    ("an inspector that does not answer", slow_inspector, "again", "box", ""),
    ("a survey of the inspector that hangs", do(hanging_survey, killed=False), "again", "box", "fast"),
    ("kill -9 of a survey of the inspector", do(hanging_survey, killed=True), "again", "box", ""),
    ("junk in the notes of the server", do(junk_notes, role="server"), "again", "box", ""),
    ("junk in the notes of the client", do(junk_notes, role="client"), "again", "box", ""),
    ("a silent server beside a good one", silent_server, "again", "box", ""),
    ("a device that a peer brings into its error state", error_state, "again", "box", "stub"),
    ("flapping device", flapping_device, "again", "box", ""),
    ("20 sockets in turn", twenty_sockets, "again", "box", "stub last"),
    ("power cut of the host, in session", do(power_cut, role="server", session=True), "again", "pair", ""),
    ("power cut of the host, idle", do(power_cut, role="server", session=False), "again", "pair", ""),
    ("power cut of the client, in session", do(power_cut, role="client", session=True), "again", "pair",
     ""),
    ("power cut of the client, idle", do(power_cut, role="client", session=False), "again", "pair", ""),
    ("reboot of the host", do(reboot, role="server"), "again", "pair", ""),
    ("reboot of the client", do(reboot, role="client"), "again", "pair", ""),
)


def ends(s, end):
    """Everything is where it should be, and after an orderly stop nothing is left."""
    if end != "own":
        s.is_quiet()
        (s.same if end == "same" else s.again)()
        s.no_growth()
    s.down()


def run(s, name, function, end):
    s.cell, s.pulled, s.descriptors, s.expected = name, set(), {}, None
    for guest, role in ((s.host, "server"), (s.client, "client")):
        # two minutes is the kernel's own idea of a hung task; a disk may well wait for one
        guest.must(f"rm -f /tmp/{role}.status; : >/tmp/{role}.log; "
                   "echo 120 >/proc/sys/kernel/hung_task_timeout_secs")
    before, slots = s.complaints(), s.slots()
    s.plug_both()
    function(s)
    ends(s, end)
    new = [x for x in s.complaints() if x not in before and not (s.expected and s.expected in x)]
    check(not new, f"the kernel complains: {new}")
    extra = {x for x in s.slots() - slots if x.split("-")[1] not in s.pulled}
    check(not extra, f"usbip-host holds {extra}")


def show(s):
    """All that may tell why a cell failed."""
    with contextlib.suppress(lab.LabError):
        for role in ("server", "client"):
            print(f"--- {role}:\n{s.log(role)}", file=sys.stderr)
        for guest in s.guests():
            print(guest.sh("dmesg | tail -40; ps | grep usb; ls -R /var/run/usbiphp /var/run/vhci_hcd; "
                           f"cat {STUB}/match_busid {STUB}/*/usbip_status; grep -h ' 00[567] ' {VHCI};"
                           "dmesg -c >/dev/null; echo w >/proc/sysrq-trigger; dmesg")[1],
                  file=sys.stderr, flush=True)


def run_cell(s, kernel, name, function, end):
    """Whether all went well."""
    began, bad = time.monotonic(), lab.results["not ok"]
    with lab.case(f"{kernel}: {name}"):
        try:
            run(s, name, function, end)
        except Exception:
            show(s)
            raise
    print(f"# {name}: {time.monotonic() - began:.1f} s by the clock on the wall", file=sys.stderr,
          flush=True)
    return lab.results["not ok"] == bad


def run_all(kernel, engine, place, cells):
    """The cells share a place until one fails: the next gets a new one."""
    name, todo = kernel if engine == "kernel" else f"{kernel} {engine}", list(cells)
    while todo:
        left = len(todo)
        with tempfile.TemporaryDirectory(dir=WORK) as work, \
                lab.case(f"{name}: a {place} for the cells"), \
                PLACES[place].open(kernel, pathlib.Path(work), engine) as s:
            good = True
            while todo and good:
                good = run_cell(s, name, *todo.pop(0)[:3])
        if len(todo) == left:
            return


def chosen(arguments):
    """Kernel, engine and cells."""
    words = [x for x in arguments if x not in ("--fast", "usbfs")]
    kernel, engine = words.pop(0) if words else "6.1", "usbfs" if "usbfs" in arguments else "kernel"
    cells = [c for c in CELLS if (not words or any(w in c[0] for w in words)) and
             ("--fast" not in arguments or "fast" in c[4]) and
             (kernel != "kasan" or "modules" not in c[4]) and (engine == "kernel" or "stub" not in c[4])]
    return kernel, engine, sorted(cells, key=lambda c: "last" in c[4])


def commit():
    """What is tested, for tests/RELIABILITY.md."""
    with contextlib.suppress(OSError, RuntimeError):
        return image.run("git", "describe", "--always", "--dirty", cwd=image.ROOT).strip()
    return "unknown"


def main():
    kernel, engine, cells = chosen(sys.argv[1:])
    print(f"# commit {commit()}", flush=True)
    for place in PLACES:
        run_all(kernel, engine, place, [c for c in cells if c[3] == place])
    lab.finish()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make the fixtures in tests/fixtures again, from real kernels and the stock tools."""

import os
import pathlib
import re
import struct
import sys
import tempfile
import time

import image
import lab

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "fixtures"
CODES = {0x8005: "OP_REQ_DEVLIST", 0x8003: "OP_REQ_IMPORT",
         0x0005: "OP_REP_DEVLIST", 0x0003: "OP_REP_IMPORT"}
STATUS = ("OK", "NA", "DEV_BUSY", "DEV_ERR", "NODEV")
SPEED = ("unknown", "low", "full", "high", "wireless", "super", "super plus")


# Packets as commented hex

class Hex:
    """Takes a message apart into lines of hex with a comment each."""

    def __init__(self, data):
        self.data, self.at, self.lines = data, 0, []

    def take(self, length, comment):
        piece = self.data[self.at:self.at + length]
        assert len(piece) == length, f"message ends in {comment}"
        self.at += length
        for row in range(0, length, 16):
            text = " ".join(f"{byte:02x}" for byte in piece[row:row + 16])
            self.lines.append(f"{text:<47}  # {comment}".rstrip())
            comment = "..."
        return int.from_bytes(piece, "big")

    def string(self, length, name):
        text = self.data[self.at:self.at + length].split(b"\0")[0].decode()
        self.take(length, f'{name}: "{text}"')

    def number(self, length, name, names=None):
        value = int.from_bytes(self.data[self.at:self.at + length], "big")
        self.take(length, f"{name}: {names[value] if names else value}")
        return value

    def device(self, interfaces):
        self.string(256, "path")
        self.string(32, "busid")
        self.number(4, "busnum")
        self.number(4, "devnum")
        self.number(4, "speed", SPEED)
        for name in ("idVendor", "idProduct", "bcdDevice"):
            self.take(2, name)
        for name in ("bDeviceClass", "bDeviceSubClass", "bDeviceProtocol"):
            self.take(1, name)
        self.number(1, "bConfigurationValue")
        self.number(1, "bNumConfigurations")
        count = self.number(1, "bNumInterfaces")
        for n in range(count if interfaces else 0):
            for name in ("bInterfaceClass", "bInterfaceSubClass", "bInterfaceProtocol"):
                self.take(1, f"interface {n} {name}")
            self.take(1, f"interface {n} padding, which usbipd does not set")

    def message(self):
        self.take(2, "version")
        code = self.number(2, "code", CODES)
        status = self.number(4, "status", STATUS)
        if code == 0x8003:
            self.string(32, "busid")
        elif code == 0x0003 and status == 0:
            self.device(interfaces=False)
        elif code == 0x0005:
            for n in range(self.number(4, "number of devices")):
                self.lines.append(f"# device {n}")
                self.device(interfaces=True)
        assert self.at == len(self.data), "bytes left over"
        return "\n".join(self.lines) + "\n"


def save_packet(name, guest, data, *comments):
    where = (f"Captured from the {'stock usbip' if name.startswith('req') else 'stock usbipd'}, "
             f"{guest.must('usbip version').strip()}, on Linux {guest.must('uname -r').strip()}.")
    head = "".join(f"# {line}\n" for line in (*comments, where))
    (FIXTURES / "packets" / f"{name}.hex").write_text(head + Hex(data).message())
    print(f"packets/{name}.hex: {len(data)} bytes")


def send(guest, workdir, data):
    """Give the guest a file with these bytes: its path there."""
    path = pathlib.Path(workdir) / "send"
    path.write_bytes(data)
    guest.put(path, "/tmp/send")
    return "/tmp/send"


def ask(guest, workdir, data, length):
    """What usbipd in the guest answers to a request: `length` bytes, or all if 0."""
    path = send(guest, workdir, data)
    # After a successful import the kernel has the connection: hold it until the answer is in.
    hold = f"until [ $(stat -c %s /tmp/reply) -ge {length} ]; do usleep 20000; done"
    guest.must(f": >/tmp/reply; (cat {path}; {hold if length else ':'}) |"
               " nc 127.0.0.1 3240 >/tmp/reply")
    return guest.get("/tmp/reply")


def request_of(guest, length, command):
    """The first bytes the stock client sends for a command."""
    guest.must("nc -l -p 3240 >/tmp/request & echo $! >/tmp/pid")
    guest.wait("netstat -ltn | grep -q :3240")
    guest.must(f"{command} >/dev/null 2>&1 &")
    guest.wait(f"[ $(stat -c %s /tmp/request) -ge {length} ]")
    guest.sh("kill $(cat /tmp/pid)")
    return guest.get("/tmp/request")


def header(code):
    return struct.pack(">HHI", 0x0111, code, 0)


def import_request(busid):
    return header(0x8003) + busid.encode().ljust(32, b"\0")


def status(guest, busid, number):
    guest.wait(f"[ $(cat /sys/bus/usb/devices/{busid}/usbip_status) = {number} ]")


def plugged(guest, busid, ident, driver, **props):
    """Plug in a device and wait until its driver has it."""
    guest.plug(ident, driver, **props)
    guest.wait_event("bind@", f"/{busid}\n", "DEVTYPE=usb_device", "DRIVER=")


def packets(workdir):
    devlist = header(0x8005)
    stick = pathlib.Path(workdir) / "stick"
    stick.write_bytes(bytes(1 << 20))
    with lab.pair("6.1", workdir) as (host, client):
        client.must("modprobe vhci_hcd; cat /sys/devices/platform/vhci_hcd.0/status")
        data = request_of(client, 8, "usbip list -r 127.0.0.1")
        save_packet("req_devlist", client, data, "A request for the device list.")
        data = request_of(client, 40, "usbip attach -r 127.0.0.1 -b 2-1")
        save_packet("req_import", client, data, "A request for device 2-1.")

        host.must("modprobe usbip_host && usbipd -D")
        host.wait("netstat -ltn | grep -q :3240")
        save_packet("rep_devlist_empty", host, ask(host, workdir, devlist, 0),
                    "The device list while nothing is exported.")
        plugged(host, "2-1", "stick", "usb-storage", image=stick, serial="STICK1", port="1")
        host.must("usbip bind -b 2-1")
        save_packet("rep_devlist_unconfigured", host, ask(host, workdir, devlist, 0),
                    "The device list with a stick that was bound and not used yet:",
                    "binding takes the configuration away, and with it the interfaces.")
        save_packet("rep_import_nodev", host, ask(host, workdir, import_request("7-7"), 0),
                    "The answer to a request for a device that is not exported.")
        save_packet("rep_import_ok", host, ask(host, workdir, import_request("2-1"), 320),
                    "The answer to a request for the device 2-1, unconfigured.")
        status(host, "2-1", 1)

        plugged(host, "1-2", "audio", "usb-audio", port="2", multi=True)
        plugged(host, "1-3", "hub", "usb-hub", port="3")
        plugged(host, "1-3.1", "keyboard", "usb-kbd", port="3.1")
        plugged(host, "1-4", "serial", "usb-serial", port="4")
        for busid in ("1-2", "1-3.1", "1-4"):
            host.must(f"usbip bind -b {busid}")
        attach(client, "host", "1-2", "3-1")
        attach(client, "host", "2-1", "4-1")
        save_packet("rep_import_busy", host, ask(host, workdir, import_request("2-1"), 0),
                    "The answer to a request for a device that is in use.")
        # As when the device is taken between usbipd's look at its status and its write to the
        # kernel: usbipd is shown an old status, and the kernel refuses for real.
        host.must("echo 1 >/tmp/one;"
                  "mount --bind /tmp/one $(realpath /sys/bus/usb/devices/2-1)/usbip_status")
        save_packet("rep_import_na", host, ask(host, workdir, import_request("2-1"), 0),
                    "The answer when the kernel refuses the socket. To get there usbipd was shown "
                    "an old", "usbip_status (a file mounted over it) while the device was in use.")
        host.must("umount $(realpath /sys/bus/usb/devices/2-1)/usbip_status")
        client.must("usbip detach -p 0; usbip detach -p 15 || usbip port")
        for busid in ("1-2", "2-1"):
            status(host, busid, 1)
        save_packet("rep_import_configured", host, ask(host, workdir, import_request("1-2"), 320),
                    "The answer to a request for a device that is configured: it tells how many",
                    "interfaces there are, but they do not follow as they do in a device list.")
        status(host, "1-2", 1)
        data = ask(host, workdir, devlist, 0)
        save_packet("rep_devlist_several", host, data, "The device list with four devices: "
                    "a keyboard behind a hub and an adapter", "nobody used yet, a stick and a "
                    "sound card that are configured since they were used.")
        for busid in ("2-1", "1-3.1", "1-4"):
            host.must(f"usbip unbind -b {busid}")
        save_packet("rep_devlist_multi_interface", host, ask(host, workdir, devlist, 0),
                    "The device list with a device that has several interfaces.")
        error_reply(host, workdir)


def error_reply(host, workdir):
    """Bring a device to the error state as any importer can: with one huge request."""
    host.must("usbip bind -b 1-4")
    busnum, devnum = map(int, host.must("cat /sys/bus/usb/devices/1-4/busnum "
                                        "/sys/bus/usb/devices/1-4/devnum").split())
    submit = struct.pack(">IIIII IIIII 8x", 1, 1, busnum << 16 | devnum, 1, 0,
                         0x200, 0x7fffffff, 0, 0, 0)
    path = send(host, workdir, import_request("1-4") + submit)
    host.must(": >/tmp/reply; ("
              f"head -c 40 {path}; until [ $(stat -c %s /tmp/reply) -ge 320 ];"
              f"do usleep 20000; done; tail -c 48 {path}; sleep 600) |"
              " nc 127.0.0.1 3240 >/tmp/reply &")
    status(host, "1-4", 3)
    save_packet("rep_import_error", host, ask(host, workdir, import_request("1-4"), 0),
                "The answer to a request for a device in the error state, brought there by",
                "a USBIP_CMD_SUBMIT with a transfer_buffer_length of 0x7fffffff.")


# Sessions: what vhci_hcd and usbip-host send to each other once a device is attached

CONTINUED = 32  # bytes of data in a line


def number(data, at):
    return int.from_bytes(data[at:at + 4], "big", signed=True)


class Urbs(Hex):
    """One direction of a session, a message at a time; `asked` has the commands by seqnum."""

    def __init__(self, data, asked):
        super().__init__(data)
        self.asked = asked

    def lines_of(self, length, comment):
        while length:
            row = min(length, CONTINUED)
            self.lines.append(self.data[self.at:self.at + row].hex(" ") + f"  # {comment}")
            self.at, length, comment = self.at + row, length - row, "..."

    def packets(self, count):
        for n in range(count):
            offset, length, actual, status = (number(self.data, self.at + i) for i in (0, 4, 8, 12))
            self.lines_of(16, f"packet {n}: offset {offset}, length {length}, actual {actual}, status {status}")

    def command(self):
        """Take a CMD_SUBMIT or CMD_UNLINK apart: its seqnum, and whether it asks for much."""
        code, seqnum, _, direction, endpoint, flags, length, _, packets, _ = (
            number(self.data, self.at + i) for i in range(0, 40, 4))
        self.asked[seqnum] = direction
        if code == 2:
            self.lines_of(20, f"USBIP_CMD_UNLINK {seqnum}")
            self.lines_of(28, f"of {flags}")
            return seqnum
        self.lines_of(20, f"USBIP_CMD_SUBMIT {seqnum}, endpoint {endpoint} {'in' if direction else 'out'}")
        self.lines_of(28, f"flags {flags:#x}, length {length}, packets {packets}")
        self.lines_of(0 if direction else length, "data")
        self.packets(max(packets, 0))
        return seqnum

    def reply(self):
        """Take a RET_SUBMIT or RET_UNLINK apart: its seqnum."""
        code, seqnum, _, _, _, status, length, _, packets, errors = (
            number(self.data, self.at + i) for i in range(0, 40, 4))
        if code == 4:
            self.lines_of(20, f"USBIP_RET_UNLINK {seqnum}")
            self.lines_of(28, f"status {status}")
            return seqnum
        self.lines_of(20, f"USBIP_RET_SUBMIT {seqnum}")
        self.lines_of(28, f"status {status}, length {length}, packets {packets}, errors {errors}")
        self.lines_of(length if self.asked[seqnum] else 0, "data")
        self.packets(max(packets, 0))
        return seqnum


def save_session(name, client, host, sent, came, last, what):
    """Keep both directions, up to the first command for which last(bytes of its header) is true."""
    asked, kept = {}, set()
    commands = Urbs(sent[40:], asked)  # behind the import
    while not kept or not last(header):
        assert commands.at < len(commands.data), f"{name} has no last command"
        header = commands.data[commands.at:commands.at + 48]
        kept.add(commands.command())
    replies = Urbs(came[320:], asked)
    lines = []
    while kept and replies.at < len(replies.data):  # one that was unlinked has none
        begin = len(replies.lines)
        seqnum = replies.reply()
        if seqnum in kept:
            kept.discard(seqnum)
            lines += replies.lines[begin:]
    for kind, guest, who, text in (("commands", client, "vhci_hcd", commands.lines),
                                   ("replies", host, "usbip-host", lines)):
        head = (f"# {what}: {kind}.\n"
                f"# Captured from {who} of Linux {guest.must('uname -r').strip()}.\n")
        (FIXTURES / "sessions" / f"{name}_{kind}.hex").write_text(head + "\n".join(text) + "\n")
        print(f"sessions/{name}_{kind}.hex: {len(text)} lines")


def session(host, client, busid, local, work):
    """Attach a device through a tee, do some work, and detach it: the bytes of both directions."""
    host.must("rm -f /tmp/back; mkfifo /tmp/back;"
              " (nc -l -p 3241 </tmp/back | tee /tmp/sent | nc 127.0.0.1 3240 | tee /tmp/came >/tmp/back) &")
    host.wait("netstat -ltn | grep -q :3241")
    since = time.monotonic()
    client.must(f"usbip --tcp-port 3241 attach -r host -b {busid}")
    client.wait_event("bind@", f"/{local}\n", "DEVTYPE=usb_device", "DRIVER=usb", since=since)
    work()
    client.must(f"usbip detach -p {0 if local.startswith('3') else 15}")
    host.wait("! pidof nc")
    return host.get("/tmp/sent"), host.get("/tmp/came")


def sessions(workdir):
    stick, play = pathlib.Path(workdir) / "stick", pathlib.Path(workdir) / "play"
    stick.write_bytes(bytes(1 << 20))
    image.run("gcc", "-O1", "-static", "-o", str(play), str(image.ROOT / "tests/vm/play.c"))
    with lab.pair("6.1", workdir, more=("-audiodev", "none,id=audio")) as (host, client):
        client.must("modprobe -a vhci_hcd snd_usb_audio")
        client.put(play, "/bin/play")
        host.must("modprobe usbip_host && usbipd -D")
        host.wait("netstat -ltn | grep -q :3240")
        plugged(host, "2-1", "stick", "usb-storage", image=stick, serial="STICK1", port="1")
        plugged(host, "1-2", "audio", "usb-audio", port="2", audiodev="audio")
        plugged(host, "1-3", "tablet", "usb-tablet", port="3")
        for busid in ("2-1", "1-2", "1-3"):
            host.must(f"usbip bind -b {busid}")

        def read():
            client.wait("dd if=/dev/sda of=/dev/null bs=4096 count=1 iflag=direct")

        def unlink():
            driver = "/sys/bus/usb/drivers/usbhid"
            client.wait("ls -l /sys/class/input | grep -q vhci.*event")
            # a tablet is only asked while somebody reads
            client.must("for i in /sys/class/input/event*; do case $(readlink $i) in *vhci*)"
                        " exec 5</dev/input/${i##*/} ;; esac; done;"
                        f" cd {driver}; for i in *:*; do echo $i >unbind; done")

        def sound():
            client.wait("[ -e /dev/snd/pcmC0D0p ]")
            client.must("play /dev/snd/pcmC0D0p 4800")

        save_session("storage", client, host, *session(host, client, "2-1", "4-1", read),
                     lambda p: number(p, 0) == 1 and number(p, 16) and number(p, 24) >= 4096,
                     "A stick at super speed, up to its first sectors")
        save_session("audio", client, host, *session(host, client, "1-2", "3-1", sound),
                     lambda p: number(p, 0) == 1 and number(p, 16) and number(p, 32) > 0,
                     "A sound card that plays, up to its first isochronous URB")
        save_session("unlink", client, host, *session(host, client, "1-3", "3-1", unlink),
                     lambda p: number(p, 0) == 2, "A tablet whose driver is unbound")


# The ports of vhci_hcd

VHCI = "/sys/devices/platform/vhci_hcd.0"


def save_vhci(kernel, guest, name):
    text = guest.get(f"{VHCI}/status")
    (FIXTURES / "vhci" / f"{kernel}-{name}.txt").write_bytes(text)
    print(f"vhci/{kernel}-{name}.txt: {len(text)} bytes")


def attach(client, server, busid, local):
    """Attach a device and wait until its driver has it, as busid `local`."""
    client.must(f"usbip attach -r {server} -b {busid}")
    client.wait_event("bind@", f"/{local}\n", "DEVTYPE=usb_device", "DRIVER=usb")


def devices_for_host(host, workdir):
    """What is plugged into the host of every tree; 2-1 and 1-3 get exported."""
    stick = pathlib.Path(workdir) / "stick"
    stick.write_bytes(bytes(1 << 20))
    host.must("modprobe usbip_host; modprobe cdc_ether")
    plugged(host, "1-1", "hub", "usb-hub", port="1")
    plugged(host, "1-1.2", "keyboard", "usb-kbd", port="1.2")
    plugged(host, "1-2", "network", "usb-net", port="2")
    plugged(host, "1-3", "mouse", "usb-mouse", port="3")
    plugged(host, "2-4", "stick", "usb-storage", image=stick, serial="STICK1", port="4")
    plugged(host, "2-5", "other", "usb-storage", image=f"{workdir}/other", serial="STICK2",
            port="5")
    host.wait("[ -e /sys/class/block/sda ] && [ -e /sys/class/block/sdb ]")
    host.must("usbipd -D; usbip bind -b 2-4")
    host.wait("netstat -ltn | grep -q :3240")


def vhci_and_trees(kernel, workdir):
    (pathlib.Path(workdir) / "other").write_bytes(bytes(1 << 20))
    with lab.pair(kernel, workdir) as (host, client):
        devices_for_host(host, workdir)
        save_tree(f"host-{kernel}", host)
        host.must("usbip bind -b 1-3")

        client.must("modprobe vhci_hcd")
        client.wait(f"[ $(cat {VHCI}/status* | grep -c ' 004 ') = $(cat {VHCI}/nports) ]")
        save_vhci(kernel, client, "idle")
        for name in ("nports", "status.1"):
            path = FIXTURES / "vhci" / f"{kernel}-{name}.txt"
            path.write_bytes(client.get(f"{VHCI}/{name}"))
        attach(client, "host", "1-3", "3-1")
        save_vhci(kernel, client, "hs-attached")
        attach(client, "host", "2-4", "4-1")
        client.wait("[ -e /sys/class/block/sda ]")
        save_vhci(kernel, client, "both-attached")
        save_tree(f"client-{kernel}", client)
        (FIXTURES / "vhci" / f"{kernel}-record.txt").write_bytes(
            client.get("/var/run/vhci_hcd/port0"))
        client.must("usbip detach -p 0")
        client.wait(f"grep -q '^hs  0000 004' {VHCI}/status")
        save_vhci(kernel, client, "ss-attached")
        client.must("usbip detach -p 15")
        client.wait(f"grep -q '^ss  0015 004' {VHCI}/status")

        # A port stays in state 5 while the other side accepts and then says nothing.
        reply = ask(host, workdir, import_request("1-3"), 320)
        path = send(client, workdir, reply)
        client.must(f"(cat {path}; sleep 600) | nc -l -p 3240 >/dev/null &")
        client.wait("netstat -ltn | grep -q :3240")
        client.must("usbip attach -r 127.0.0.1 -b 1-3")
        client.wait(f"grep -q '^hs  0000 005' {VHCI}/status")
        save_vhci(kernel, client, "not-assigned")


def loop_tree(workdir):
    """A machine with devices of its own and an imported one (its own, over loopback)."""
    (pathlib.Path(workdir) / "other").write_bytes(bytes(1 << 20))
    with lab.Guest("both", "6.1", workdir) as guest:
        devices_for_host(guest, workdir)
        guest.must("modprobe vhci_hcd")
        guest.wait(f"[ $(cat {VHCI}/status* | grep -c ' 004 ') = $(cat {VHCI}/nports) ]")
        attach(guest, "127.0.0.1", "2-4", "4-1")
        guest.wait("ls -l /sys/class/block | grep -q vhci")
        save_tree("both-loop", guest)


# Trees of sysfs

DEVICE = """authorized bConfigurationValue bDeviceClass bDeviceProtocol bDeviceSubClass
    bNumConfigurations bNumInterfaces bcdDevice busnum descriptors devnum devpath idProduct
    idVendor manufacturer product removable serial speed uevent usbip_sockfd
    usbip_status""".split()
INTERFACE = """bInterfaceClass bInterfaceNumber bInterfaceProtocol bInterfaceSubClass""".split()
DRIVERS = "usb hub usb-storage usbhid cdc_ether usbip-host".split()
BORING = re.compile(r"/usb\d+/(descriptors|uevent|manufacturer|product|serial|removable|"
                    r"subsystem|authorized|bcdDevice|devpath|"
                    r"\d+-0:1\.0/(subsystem|bInterface[NPS].*))$")

# Lists what there is: type, mode, path, target of a link or content in hex.
LISTING = r"""
cd /sys
one() {
    if [ -L "$1" ]; then echo "l $1 $(readlink "$1")"
    elif [ -d "$1" ]; then echo "d $1"
    elif [ -f "$1" ]; then
        mode=$(stat -c %a "$1")
        case $mode in
        200) echo "f $mode $1 " ;;
        *) echo "f $mode $1 $(xxd -p "$1" 2>/dev/null | tr -d '\n')" ;;
        esac
    fi
}
for link in bus/usb/devices/*; do
    one $link
    dir=$(cd $link && pwd -P); dir=${dir#/sys/}
    one $dir; one $dir/driver; one $dir/subsystem
    case $link in
    *:*) names="INTERFACE" ;;
    *) names="DEVICE" ;;
    esac
    for name in $names; do one $dir/$name; done
done
for driver in DRIVERS; do
    for entry in bus/usb/drivers/$driver bus/usb/drivers/$driver/*; do
        case $entry in */module|*/uevent|*/new_id|*/remove_id) ;; *) one $entry ;; esac
    done
done
one bus/usb/drivers_probe; one bus/usb/drivers_autoprobe
for dir in devices/platform/vhci_hcd.*; do
    [ -d $dir ] || continue
    one $dir; one $dir/driver; one bus/platform/drivers/vhci_hcd/${dir##*/}
    for file in attach detach nports usbip_debug; do one $dir/$file; done
    for file in $dir/status*; do one $file; done
done
for link in class/block/sd* class/net/*; do
    [ -e $link ] || continue
    one $link
    dir=$(cd $link && pwd -P); dir=${dir#/sys/}
    one $dir
    for file in dev size address ifindex; do one $dir/$file; done
    one $dir/device
done
for module in usbip_core usbip_host vhci_hcd; do one module/$module; done
"""


def escaped(data):
    """One line of printable ASCII: \\n, \\\\ and \\xNN with always two digits."""
    table = {byte: chr(byte) for byte in range(0x20, 0x7f)} | {0x0a: "\\n", 0x5c: "\\\\"}
    return "".join(table.get(byte, f"\\x{byte:02x}") for byte in data)


def save_tree(name, guest):
    script = LISTING
    for word, names in (("INTERFACE", INTERFACE), ("DEVICE", DEVICE), ("DRIVERS", DRIVERS)):
        script = script.replace(word, " ".join(names))
    entries = {}
    for line in guest.must(script, timeout=240).splitlines():
        kind, *rest = line.split(" ")
        path = rest[1] if kind == "f" else rest[0]
        if BORING.search(path):
            continue
        if kind == "f":
            text = escaped(bytes.fromhex(rest[2]))
            entries[path] = f"f {rest[0]} {path}" + (f" = {text}" if text else "")
        else:
            entries[path] = f"l {path} -> {rest[1]}" if kind == "l" else f"d {path}"
    for path in list(entries):
        for parent in pathlib.PurePosixPath(path).parents[:-1]:
            entries.setdefault(str(parent), f"d {parent}")
    head = f"# /sys of Linux {guest.must('uname -r').strip()}, only what USB/IP looks at.\n"
    text = head + "".join(f"{entries[path]}\n" for path in sorted(entries))
    (FIXTURES / "sysfs" / f"{name}.tree").write_text(text)
    print(f"sysfs/{name}.tree: {len(text)} bytes, {len(entries)} entries")


def main():
    parts = sys.argv[1:] or ["packets", "sessions", "6.1", "6.12", "loop"]
    os.umask(0o022)
    for name in ("packets", "sessions", "sysfs", "vhci"):
        (FIXTURES / name).mkdir(parents=True, exist_ok=True)
    for part in parts:
        with tempfile.TemporaryDirectory() as workdir:
            if part == "packets":
                packets(workdir)
            elif part == "sessions":
                sessions(workdir)
            elif part == "loop":
                loop_tree(workdir)
            else:
                vhci_and_trees(part, workdir)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The JSON of `list`, `status` and `list HOST`, which programs read, and the tables beside it.

Every file of the fuzz corpus is used as the strings of a device, in the daemons' status files, and in
the reply of a server. In each case the JSON is valid UTF-8, a strict parser accepts it, every key is
present, and a table has nothing that a terminal interprets.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "vm"), str(ROOT / "tests")]

from fixture import packet, unpack  # noqa: E402
from lab import LabError, case, check, finish  # noqa: E402

PROGRAM = os.environ.get("USBIPHP", ROOT / "build" / "usbiphp")
CORPUS = sorted((ROOT / "tests" / "fuzz" / "corpus").glob("*/*"))
SECONDS = 30  # for one run of the program

TEXT, NUMBER = (str, type(None)), (int, type(None))
DEVICE = {
    "port": NUMBER, "server": TEXT, "server_port": NUMBER, "remote_busid": TEXT, "busid": TEXT,
    "id": TEXT, "speed": (int, float, type(None)), "class": TEXT, "description": TEXT,
    "manufacturer": TEXT, "product": TEXT, "serial": TEXT, "name": TEXT, "driver": TEXT,
    "state": TEXT, "reason": TEXT, "peer": TEXT, "peer_port": NUMBER, "since": NUMBER,
    "bytes_in": NUMBER, "bytes_out": NUMBER, "rtt_us": NUMBER, "guard": TEXT, "urbs": NUMBER,
    "urb_errors": NUMBER, "urbs_in_flight": NUMBER, "urb_bytes_in": NUMBER, "urb_bytes_out": NUMBER,
    "drivers": list, "nodes": list}
LIST = {"version": int, "host": TEXT, "server_running": (bool, type(None)),
        "engine": TEXT, "engine_reason": TEXT, "devices": list}
STATUS = {"version": int, "server_running": bool, "client_running": bool, "usbip_host": bool,
          "vhci_hcd": bool, "engine": TEXT, "engine_reason": TEXT, "exported": list, "imported": list, "latency": list,
          "held": dict}
STATES = {"exported", "available", "in use", "on demand", "error", "left alone", "not exported", "own driver",
          "no driver", "attaching", "attached"}


def run(*words):
    """The program's output, which has to be well."""
    done = subprocess.run([PROGRAM, *map(str, words)], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=SECONDS, check=False)
    check(done.returncode == 0, f"{words[0]} ended with {done.returncode}: {done.stderr!r}")
    check(not done.stderr, f"{words[0]} says {done.stderr!r}")
    return done.stdout


def no_twice(pairs):
    keys = [key for key, _ in pairs]
    check(len(keys) == len(set(keys)), f"a key is there twice: {keys}")
    return dict(pairs)


def refuse(word):
    raise ValueError(f"{word} is no JSON")


def parse(raw):
    """One object on one line, by the letter of RFC 8259."""
    text = raw.decode("utf-8", "strict")
    check(text.endswith("\n") and text.count("\n") == 1, f"not one line: {text[-80:]!r}")
    check(all(c.isprintable() or ord(c) >= 0xa0 for c in text[:-1]), "control characters")
    return json.loads(text, object_pairs_hook=no_twice, parse_constant=refuse)


def shape(value, keys, what):
    check(list(value) == list(keys), f"{what} has the keys {list(value)}")
    for key, kind in keys.items():
        check(isinstance(value[key], kind), f"{what}: {key} is {value[key]!r}")
        check(kind not in (NUMBER, int) or not isinstance(value[key], bool), f"{key} is a bool")


def devices(values, what):
    for device in values:
        shape(device, DEVICE, what)
        check(device["state"] in STATES, f"{what}: state {device['state']!r}")
    return {device["busid"]: device for device in values}


def listed(raw):
    value = parse(raw)
    shape(value, LIST, "list")
    check(value["version"] == 1, "another version")
    return devices(value["devices"], "list")


def status_of(raw):
    value = parse(raw)
    shape(value, STATUS, "status")
    check(value["version"] == 1, "another version")
    check(list(value["held"]) == ["server", "client"], "held has other keys")
    check(all(isinstance(name, str) for names in value["held"].values() for name in names),
          "a held name is no string")
    return (devices(value["exported"], "exported"), devices(value["imported"], "imported"),
            value["held"])


def plain(raw):
    """A table: only what a terminal prints."""
    check(all(c == 10 or 32 <= c < 127 for c in raw), f"not printable: {raw!r}")


def attribute(data):
    """What the kernel would show of that string: no NUL, and a page at most."""
    return data.replace(b"\0", b"")[:4095] + b"\n"


def shown(data):
    """What a device's string is then: as much as the program keeps of it."""
    kept = attribute(data)[:-1]
    if len(kept) > 127:  # cut off, behind a whole character
        end = 127
        while end and kept[end] & 0xc0 == 0x80:
            end -= 1
        kept = kept[:end]
    out, at = "", 0
    while at < len(kept):
        for size in (1, 2, 3, 4):
            with contextlib.suppress(UnicodeDecodeError):
                out += kept[at:at + size].decode("utf-8", "strict")
                break
        else:
            size = 1
            out += "\ufffd"
        at += size
    return out or None


class Machine:
    """A tree with a bound device, one that is not, and an imported one; and the notes."""

    def __init__(self, work):
        self.sysfs, self.run, self.config = work / "sys", work / "run", work / "config"
        for path in (self.sysfs, self.run, self.config, work / "vhci_hcd"):
            path.mkdir()
        unpack("both-loop.tree", self.sysfs)
        self.stock = work / "vhci_hcd"
        self.options = ("--sysfs", self.sysfs, "--run", self.run, "--config", self.config)

    def put(self, busid, **strings):
        device = (self.sysfs / "bus/usb/devices" / busid).resolve()
        for name, data in strings.items():
            (device / name).write_bytes(data)

    def ask(self, command, *words):
        return run(command, *words, *self.options)


def strings(machine, data):
    """The same strings on three devices, in three roles."""
    want, line = shown(data), attribute(data)
    for busid in ("1-3", "2-4", "4-1"):
        machine.put(busid, serial=line, product=line, manufacturer=line)
    found = listed(machine.ask("list", "--json"))
    exported, imported, _ = status_of(machine.ask("status", "--json"))
    for device in (found["1-3"], found["2-4"], found["4-1"], exported["2-4"], imported["4-1"]):
        for key in ("serial", "product", "manufacturer"):
            check(device[key] == want, f"{key} is {device[key]!r}, not {want!r}")
    check(set(found) == {"1-1", "1-1.2", "1-2", "1-3", "2-4", "2-5", "4-1"}, f"{set(found)}")


def notes(machine, data):
    for path in (machine.run / "session.2-4", machine.run / "left", machine.run / "port15",
                 machine.stock / "port15", machine.config / "held.server",
                 machine.config / "held.client"):
        path.write_bytes(data)
    listed(machine.ask("list", "--json"))
    _, _, held = status_of(machine.ask("status", "--json"))
    check(len(held["server"]) <= 64 * 320, "too many names")


def counters(machine):
    """Those of a holder, whose page is locked as long as it lives; only of its own device."""
    keys = "urbs", "urb_bytes_in", "urb_bytes_out", "urb_errors", "urbs_in_flight"
    values = 2**63 + 1, 2, 3, 2**32 + 4, 5
    without = machine.ask("status").decode()
    with open(machine.run / "holder.2-5", "w+b") as page:
        page.write(struct.pack("=IIIiII5Q", 2, 2, 0, 0, 5, 1, *values))
        page.flush()
        for holds in (True, False):
            fcntl.flock(page, fcntl.LOCK_EX if holds else fcntl.LOCK_UN)
            for command in ("status", "list"):
                raw = machine.ask(command, "--json")
                found = status_of(raw)[0] if command == "status" else listed(raw)
                check(("2-5" in found) >= holds, "it is not exported")
                for busid, device in found.items():
                    want = values if holds and busid == "2-5" else (None,) * 5
                    check(tuple(device[key] for key in keys) == want, f"{busid}: {device}")
        fcntl.flock(page, fcntl.LOCK_EX)
        text = machine.ask("status").decode()
        check("URBS" not in without, without)
        head = next(x for x in text.splitlines() if x.startswith("BUSID"))
        row = next(x for x in text.splitlines() if x.startswith("2-5 "))
        check(head.split()[-2:] == ["URBS", "ERRORS"], text)
        check(row.split()[-2:] == [str(values[0]), str(values[3])], text)
    (machine.run / "holder.2-5").unlink()


def tables(machine, data):
    line = attribute(data)
    machine.put("1-3", serial=line, product=line, manufacturer=line)
    machine.put("2-4", serial=line, product=line, manufacturer=line)
    for path in (machine.run / "session.2-4", machine.run / "port15",
                 machine.config / "held.server", machine.config / "held.client"):
        path.write_bytes(data)
    plain(machine.ask("list"))
    plain(machine.ask("status"))
    plain(machine.ask("server", "--dry-run"))


class Server:
    """Answers every connection with the reply of the moment."""

    def __init__(self):
        self.reply = b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.name = f"127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            peer, _ = self.socket.accept()
            with peer, contextlib.suppress(OSError):
                peer.settimeout(SECONDS)
                got = b""
                while len(got) < 8 and (part := peer.recv(8 - len(got))):
                    got += part
                peer.sendall(self.reply)
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(4096):
                    pass

    def ask(self, reply, *words):
        self.reply = reply
        return subprocess.run([PROGRAM, "list", *words, self.name], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=SECONDS, check=False)

    def json(self, reply):
        """The devices, by busid; None when there was one line of complaint, and nothing else."""
        done = self.ask(reply, "--json")
        check(done.returncode in (0, 1), f"it ended with {done.returncode}: {done.stderr!r}")
        # a record without a valid bus id costs only itself
        errors = re.sub(rb"^.*: lists a device with an invalid bus id, which is ignored\n", b"", done.stderr)
        if done.returncode:
            check(not done.stdout, f"it failed and said {done.stdout!r}")
            check(errors.count(b"\n") == 1, f"not one line: {done.stderr!r}")
            plain(done.stderr)
            return None
        check(not errors, f"it says {done.stderr!r}")
        check(parse(done.stdout)["host"] == self.name, "another host")
        return listed(done.stdout)


def record(busid, **changes):
    """A device of a list, with one interface."""
    fields = {"path": b"/sys/x", "busnum": 1, "devnum": 2, "speed": 3, "vendor": 0x1d6b,
              "product": 0xffff, "class": 0, "interface": 3} | changes
    return (fields["path"].ljust(256, b"\0") + busid.ljust(32, b"\0") + struct.pack(
        ">IIIHHHBBBBBB", fields["busnum"], fields["devnum"], fields["speed"], fields["vendor"],
        fields["product"], 0, fields["class"], 0, 0, 1, 1, 1)
            + bytes([fields["interface"], 0, 0, 0]))


def reply(*records):
    return struct.pack(">HHII", 0x0111, 5, 0, len(records)) + b"".join(records)


def remote(server):
    found = server.json(packet("rep_devlist_several"))
    check(found and found["2-1"]["id"] == "46f4:0001", f"{found}")
    check(found["2-1"]["name"] == "46f4:0001@127.0.0.1/2-1", found["2-1"]["name"])
    check(found["2-1"]["speed"] == 5000 and found["2-1"]["class"] == "storage", f"{found['2-1']}")
    check(server.json(packet("rep_devlist_empty")) == {}, "an empty list is not empty")
    for speed, mbits in ((0, None), (1, 1.5), (2, 12), (3, 480), (5, 5000), (6, 10000), (99, None)):
        found = server.json(reply(record(b"1-1", speed=speed)))
        check(found["1-1"]["speed"] == mbits, f"speed {speed} is {found['1-1']['speed']}")
    many = server.json(reply(*(record(b"%d-1" % i) for i in range(1, 1025))))
    check(many and len(many) == 1024, "not all of the longest list")


def hostile_busids(server):
    for busid in (b"\x1b[2J", b"\"", b"\\", b"a b", b"\xff", b"\xc3\xa9", b"1-1\n", b"../x", b""):
        check(server.json(reply(record(busid))) == {}, f"it takes the busid {busid!r}")
    for busid in (b"usbip-vudc.0", b"a" * 31, b"._:-"):
        check(list(server.json(reply(record(busid)))) == [busid.decode()], f"not {busid!r}")
    check(server.json(reply(record(b"1-1", path=b"\x1b\"\xff" * 80))) is not None, "a path matters")


def corpus_reply(server, path):
    """As it is; behind a head; and for the reader's corpus, without its two bytes of options."""
    data = path.read_bytes()
    for text in {data, data[2:] if path.parent.name == "reader" else data, reply(data)}:
        server.json(text)


def whole(name, each):
    """One case over the whole corpus: the first fault names its file."""
    with case(name):
        check(len(CORPUS) > 200, "where is the corpus?")
        for path in CORPUS:
            try:
                each(path)
            except Exception as error:
                raise LabError(f"{path.relative_to(ROOT)}: {error}") from error


def main():
    work = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    try:
        machine, server = Machine(work), Server()
        whole("json: strings of the corpus", lambda path: strings(machine, path.read_bytes()))
        whole("json: notes of the corpus", lambda path: notes(machine, path.read_bytes()))
        whole("json: tables of the corpus", lambda path: tables(machine, path.read_bytes()))
        with case("json: every byte"):
            for first in range(1, 256, 100):
                strings(machine, bytes(range(first, min(first + 100, 256))))
        with case("json: counters of a holder"):
            counters(machine)
        with case("json: list HOST"):
            remote(server)
        with case("json: list HOST, hostile busids"):
            hostile_busids(server)
        whole("json: list HOST, replies of the corpus", lambda path: corpus_reply(server, path))
    finally:
        shutil.rmtree(work)
    finish()


if __name__ == "__main__":
    main()

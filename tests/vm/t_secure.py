#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Connections with --psk on real kernels: who is let in, and what an attacker on the wire can read."""

import os
import re
import select
import socket
import struct
import subprocess
import threading

import lab
from lab import case, check
from t_main import FILES, ROOT
from t_serve import SOON, Serving

PATTERN = os.urandom(64)
# Each long enough that megabytes of ciphertext have it by chance once in millions of runs: beside the
# pattern, a command to a disk and its status (USB mass storage, bulk-only, 5.1 and 5.2), and names.
TELLS = [re.compile(what, re.DOTALL) for what in (
    re.escape(PATTERN[:32]), rb"USBC.{8}[\x00\x80]\x00[\x06\x0a\x0c\x10]", rb"USBS.{4}\0{4}[\0-\2]",
    b"/sys/devices", b"QEMU {4}QEMU HARDDISK")]
PORT = 3240
MUSL = ("musl-gcc", "-idirafter/usr/include", "-idirafter/usr/include/x86_64-linux-gnu")
SUITES = {0x1301: "AES-128-GCM", 0x1303: "ChaCha20-Poly1305"}


class Wire(lab.Cable):
    """A cable with somebody in the middle, who keeps what he sees and may turn a bit."""

    def __init__(self):
        pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
        self.ends = [pair[0] for pair in pairs]
        self.inner = [pair[1] for pair in pairs]
        self.frames, self.flips, self.lock = [], 0, threading.Lock()
        self.over = False
        threading.Thread(target=self._carry, daemon=True).start()

    def _carry(self):
        while not self.over:
            for sock in select.select(self.inner, [], [], 0.5)[0]:
                try:
                    frame = bytearray(sock.recv(65536))
                    self.inner[1 - self.inner.index(sock)].send(self._see(frame),
                                                                socket.MSG_DONTWAIT)
                except OSError:
                    continue  # as on any wire: it is lost

    def _see(self, frame):
        payload = tcp_payload(frame)
        if payload is None:
            return frame
        with self.lock:
            if self.flips and len(frame) - payload > 200:
                self.flips -= 1
                flip(frame, payload + 100)
            self.frames.append(bytes(frame[payload:]))
        return frame

    def seen(self):
        """The TCP payloads since the last call."""
        with self.lock:
            frames, self.frames = self.frames, []
        return frames

    def turn_a_bit(self):
        with self.lock:
            self.flips = 1

    def close(self):
        self.over = True
        for end in self.inner:
            end.close()
        super().close()


def tcp_payload(frame):
    """Where the payload of a frame to or from our port begins."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 6:
        return None
    tcp = 14 + (frame[14] & 15) * 4
    if PORT not in struct.unpack_from(">HH", frame, tcp):
        return None
    return tcp + (frame[tcp + 12] >> 4) * 4


def flip(frame, at):
    """A bit, in such a way that TCP does not notice (RFC 1624)."""
    tcp = 14 + (frame[14] & 15) * 4
    at -= (at - tcp) % 2
    old, = struct.unpack_from(">H", frame, at)
    new = old ^ 0x10
    struct.pack_into(">H", frame, at, new)
    total = (~struct.unpack_from(">H", frame, tcp + 16)[0] & 0xffff) + (~old & 0xffff) + new
    total = (total & 0xffff) + (total >> 16)
    struct.pack_into(">H", frame, tcp + 16, ~((total & 0xffff) + (total >> 16)) & 0xffff)


def suites(frames):
    """Those that servers' hellos chose: RFC 8446 4.1.3."""
    found = set()
    for frame in frames:
        if frame[:3] == b"\x16\x03\x03" and frame[5] == 2:
            found.add(SUITES[struct.unpack_from(">H", frame, 44 + frame[43])[0]])
    return found


class Secure(Serving):
    """The stick has a pattern that would be seen on the wire."""

    def __init__(self, host, client, workdir, wire):
        super().__init__(host, client, workdir)
        self.wire = wire
        with open(self.stick, "r+b") as stick:
            stick.write(PATTERN * 4096)
        self.digest = self.new_digest()
        for name in ("laptop", "phone", "stranger"):
            line = host.must(f"usbiphp psk {name}").strip()
            setattr(self, name, line)
            client.must(f"umask 077; echo {line} >/tmp/{name}")
        client.must(f"umask 077; echo laptop:{'1' * 64} >/tmp/wrong")
        self.set_keys("laptop", "phone")

    def set_keys(self, *names):
        lines = "\n".join(getattr(self, name) for name in names)
        self.host.must(f"umask 077; echo '# who may\n{lines}' >/tmp/keys")

    def new_digits(self, name):
        """The server's file has another key of that name, and a server that runs is told."""
        setattr(self, name, self.host.must(f"usbiphp psk {name}").strip())
        self.set_keys("laptop", "phone")
        self.host.sh("kill -HUP $(pidof usbiphp-server)")

    def up(self, server="", client="", number=1):
        self.start(f"-i 60 --psk /tmp/keys {server}")
        self.begin(options=f"-i 60 --psk /tmp/laptop {client}")
        self.attached(number, 100)

    def again(self, words, number):
        """Waits until the server's log has that so many times."""
        self.host.wait(f"test $(grep -c '{words}' /tmp/server.log) -ge {number}", SOON)

    def count(self, words):
        return self.log(self.host).count(words)

    def refused(self, command, words):
        status, text = self.client.sh(f"timeout 30 usbiphp {command} 2>&1", 60)
        check(status == 1 and text.count("\n") == 1 and words in text,
              f"status {status}: {text.strip()}")

    def diagnosed(self, command, words):
        text = self.client.sh(f"timeout 30 usbiphp {command} host", 60)[1]
        check(f"BAD     host:3240: {words}" in text and "usbiphp doctor)" in text, text)


def without_aes(w):
    """The suite then. By itself a guest may or may not have the module; Linux 7 has the instructions without it."""
    for guest in (w.host, w.client):
        guest.must("! grep -q ^aesni_intel /proc/modules || rmmod aesni_intel; "
                   "mv /lib/modules/*/aesni_intel.ko /tmp")
    return SUITES[0x1301 if w.host.kernel.startswith("7.") else 0x1303]


def main_job(w):
    suite = without_aes(w)
    w.plug_stick()
    w.wire.seen()
    w.up()
    with case(f"a stick is the same from both ends, over {suite}"):
        w.read_anew()
        w.write(seek=16)  # behind the pattern
        frames = w.wire.seen()
        check(suites(frames) == {suite}, f"the suites: {suites(frames)}")
        check(sum(map(len, frames)) > 4 << 20, "the wire has not seen the stick")

    with case("nothing of it is in plain text on the wire"):
        for what in TELLS:
            check(not any(what.search(x) for x in frames), f"{what.pattern} is on the wire")

    with case("the log tells who has proved itself"):
        check("imported by laptop (10.0.0.2)" in w.log(w.host), w.log(w.host))
        check("cannot" not in w.log(w.host), w.log(w.host))

    with case("plugged is attached at once, unplugged is gone, and back"):
        w.watched()
        w.host.plug("keyboard", "usb-kbd", port="2")
        w.attached(2, SOON)
        w.host.unplug("stick")
        w.attached(1, SOON)
        w.plug_stick()
        w.attached(2, SOON)
        w.read_anew()

    with case("a list, with the key"):
        text = w.client.must("usbiphp list --psk /tmp/laptop host; usbiphp list --psk /tmp/phone "
                             "host")
        check("46f4" not in text, "what is in use is listed")


HOOK = """mkdir -p /etc/usbiphp/hooks.d && cat >/etc/usbiphp/hooks.d/a <<'END'
#!/bin/sh
[ $1 = {event} ] || exit 0
sed -n 's/^Cap[PEB].*\\t//p' /proc/self/status | tr '\\n' ' ' >/tmp/rights
mkdir -p /tmp/mnt && mount -t tmpfs none /tmp/mnt && umount /tmp/mnt && echo >/etc/made
END
chmod 755 /etc/usbiphp/hooks.d/a"""


def privileges(w):
    """Of the daemons, which hear others, and of the processes that run their hooks."""
    ours = "$(sed -n 's/^Cap[PEB].*\\t//p' /proc/self/status | tr '\\n' ' ')"
    with case("the daemons have no capabilities and get none, and calls are filtered"):
        for guest, role in ((w.host, "server"), (w.client, "client")):
            text = guest.must(f"cat /proc/$(pidof usbiphp-{role})/status")
            for line in ("CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
                         "NoNewPrivs:\t1", "Seccomp:\t2"):
                check(line in text, f"{role}: not {line!r}: {text}")

    with case("hooks have the rights that their daemon was started with"):
        w.both_stop()
        for guest, event in ((w.host, "bound"), (w.client, "attached")):
            guest.must(HOOK.format(event=event))
        w.up(number=2)
        for guest in (w.host, w.client):
            guest.wait(f"test -e /etc/made && test \"$(cat /tmp/rights)\" = \"{ours}\"", SOON)
            guest.must("test $(pidof usbiphp-hooks | wc -w) = 1 && rm -r /etc/usbiphp /etc/made")
        w.both_stop()
        for guest in (w.host, w.client):
            guest.wait("! pidof usbiphp-hooks", SOON)
        w.up(number=2)

    with case("what a process can do before and after, on this kernel"):
        confined(w.host)


def strangers(w):
    with case("a wrong key, an unknown identity, no key: refused, in one line at either end"):
        w.refused("list --psk /tmp/wrong host", "both ends need the same key")
        w.refused("list --psk /tmp/stranger host", "both ends need the same key")
        w.said_once("10.0.0.2: connection refused")
        w.refused("list host", "it hung up: is --psk given at one end only")
        w.diagnosed("doctor", "it hung up: is --psk given at one end only")
        w.diagnosed("doctor --psk /tmp/wrong", "both ends need the same key")
        status, text = w.client.sh("usbip list -r host 2>&1")
        check(status, f"the stock tool is served: {text}")
        check(w.count("10.0.0.2: connection refused") == 1, w.log(w.host))

    with case("nobody without a key on this machine itself either"):
        status, text = w.host.sh("usbip list -r 127.0.0.1 2>&1")
        check(status, f"the stock tool is served: {text}")
        status, text = w.host.sh("usbiphp list 127.0.0.1 2>&1")
        check(status and "--psk" in text, text)

    with case("those who are served go on"):
        w.attached(2)
        w.read_anew()


def damage(w, where=""):
    with case(f"{where}a bit that is turned on the wire: both ends are free in seconds, and it comes back"):
        before = w.count(": session with")
        w.wire.turn_a_bit()
        w.client.sh("echo 3 >/proc/sys/vm/drop_caches; "
                    "dd if=$(ls /dev/sd? | tail -1) of=/dev/null bs=64k 2>/dev/null", 60)
        w.again(": session with", before + 1)
        w.attached(2, SOON)
        w.read_anew()

    with case(f"{where}the wire is cut: both ends are free, and it comes back"):
        before = w.count(": session with")
        w.client.link(False)
        w.again(": session with", before + 2)
        w.attached(0, SOON)
        w.client.link(True)
        w.attached(2, 100)
        w.read_anew()


def keys_change(w):
    with case("SIGHUP: whose key is gone, its session is"):
        w.set_keys("phone")
        before = w.count(": session with")
        w.host.must(lab.kill("usbiphp-server", "HUP"))
        w.again(": session with", before + 2)
        w.attached(0, SOON)
        w.free(2)

    with case("SIGHUP: the key is there again, and so are the devices"):
        w.set_keys("laptop", "phone")
        w.host.must(lab.kill("usbiphp-server", "HUP"))
        w.attached(2, 100)

    with case("SIGHUP: whose key has other digits, its session ends and does not come back"):
        before = w.count(": session with")
        w.new_digits("laptop")
        w.again(": session with", before + 2)
        w.attached(0, SOON)
        w.free(2)
        w.refused("list --psk /tmp/laptop host", "--psk")

    with case("SIGHUP: the client proves itself with the new digits from then on"):
        w.client.must(f"echo {w.laptop} >/tmp/laptop; {lab.kill('usbiphp-client', 'HUP')}")
        w.attached(2, 100)

    with case("a file that is wrong changes nothing, and is one line"):
        w.host.must(f"echo nonsense >>/tmp/keys; {lab.kill('usbiphp-server', 'HUP')}")
        w.host.wait("grep -q '/tmp/keys:4: no identity before a colon' /tmp/server.log")
        w.attached(2)
        w.set_keys("laptop", "phone")


def killed(w, where=""):
    with case(f"{where}daemons that are killed and started: the sessions stay"):
        before = w.sessions()
        for guest, name in ((w.host, "usbiphp-server"), (w.client, "usbiphp-client")):
            guest.must(lab.kill(name, "KILL"))
            guest.wait(f"! pidof {name}")
        w.start("-i 1 --psk /tmp/keys")
        w.begin(options="-i 1 --psk /tmp/laptop")
        w.watched()
        check(w.sessions() == before, w.sessions())
        w.read_anew()

    with case(f"{where}and of one whose digits changed meanwhile nothing stays"):
        w.host.must(lab.kill("usbiphp-server", "KILL"))
        w.host.wait("! pidof usbiphp-server")
        w.new_digits("laptop")
        w.start("-i 1 --psk /tmp/keys")
        w.attached(0, SOON)
        w.client.must(f"echo {w.laptop} >/tmp/laptop; {lab.kill('usbiphp-client', 'HUP')}")
        w.attached(2, 100)

    with case(f"{where}and of one that has no key any more nothing stays"):
        w.set_keys("phone")
        w.host.must(lab.kill("usbiphp-server", "HUP"))
        w.attached(0, SOON)
        w.set_keys("laptop", "phone")
        w.both_stop()


def rules(w):
    with case("`to key`: to each his own"):
        w.host.must("printf 'deny class hid to key phone\\n' >/tmp/rules")
        w.start("-i 60 --psk /tmp/keys --rules /tmp/rules")
        w.bound(2)
        text = w.client.must("usbiphp list --psk /tmp/phone host")
        check("46f4" in text and "0627" not in text, text)
        text = w.client.must("usbiphp list --psk /tmp/laptop host")
        check("46f4" in text and "0627" in text, text)
        w.begin(options="-i 1 --psk /tmp/phone")
        w.attached(1, SOON)
        w.has("46f4")
        w.both_stop()


def aes(w):
    with case("a stick is the same from both ends, over AES-128-GCM"):
        for guest in (w.host, w.client):
            guest.must("mv /tmp/aesni_intel.ko /lib/modules/*/ && modprobe aesni_intel; "
                       "grep -A1 ' gcm(aes)' /proc/crypto | grep 'driver.*aesni'")
        w.wire.seen()
        w.up(number=2)
        w.read_anew()
        w.write(seek=16)  # behind the pattern
        frames = w.wire.seen()
        check(suites(frames) == {"AES-128-GCM"}, f"the suites: {suites(frames)}")
        check(not any(PATTERN[:32] in x for x in frames), "it is on the wire")
        w.both_stop()


def plain(w):
    with case("without keys the wire does tell"):
        w.start("-i 60")
        w.begin(options="-i 60")
        w.attached(2, SOON)
        w.read_anew()
        frames = w.wire.seen()
        for what in TELLS:
            check(any(what.search(x) for x in frames), f"{what.pattern} is not on the wire")

    with case("a key, and a server without any: it is said at either end"):
        w.refused("list --psk /tmp/laptop host", "it hung up: is --psk given at one end only")
        w.said_once("10.0.0.2: connection refused: the client speaks TLS, but this server has no --psk")

    with case("a server that is named by its link-local address"):
        w.client.must(lab.kill("usbiphp-client"))
        w.attached(0, SOON)
        address = w.host.must("ip -6 addr show dev eth0 | sed -n 's,.*\\(fe80.*\\)/.*,\\1,p'").strip()
        w.begin(f"'[{address}%eth0]'", "-i 60")
        w.attached(2, SOON)

    with case("a session without a key ends where keys are asked for now"):
        w.host.must(lab.kill("usbiphp-server", "KILL"))
        w.host.wait("! pidof usbiphp-server")
        w.start("-i 60 --psk /tmp/keys")
        w.attached(0, SOON)
        w.clean()

    with case("a key, and the stock usbipd"):
        w.host.must("usbipd -D")
        w.listening("usbipd")
        w.refused("list --psk /tmp/laptop host", "it hung up: is --psk given at one end only")
        w.diagnosed("doctor --psk /tmp/laptop", "it hung up: is --psk given at one end only")
        w.clean()


def relays(guest):
    return int(guest.must("cat /proc/[0-9]*/comm 2>/dev/null | grep -cx @usbiphp-tls; true"))


def lose_module(guest):
    """If it has it: when the last connection that used it is closed."""
    guest.must("mv /lib/modules/*/tls.ko /tmp; true")
    guest.wait("rmmod tls 2>/dev/null; ! grep '^tls ' /proc/modules")


def no_module(w):
    """First at the server only."""
    lose_module(w.host)
    with case("the server's kernel has no tls: its processes encrypt"):
        w.wire.seen()
        w.up(number=2)
        w.read_anew()
        w.write(seek=16)
        frames = w.wire.seen()
        check(not any(what.search(x) for x in frames for what in TELLS), "it is on the wire")
        check(relays(w.host) == 3 and relays(w.client) == 0,  # two sessions and the list
              f"{relays(w.host)} and {relays(w.client)} processes")
        w.both_stop()
        w.host.wait("! cat /proc/[0-9]*/comm | grep -x @usbiphp-tls")

    lose_module(w.client)
    for guard in ("off", "on"):
        with case(f"no kernel has tls, --guard {guard}: the stick is the same from both ends"):
            w.up(client=f"--guard {guard}", number=2)
            w.read_anew()
            w.write(seek=16)
            check(relays(w.host) == 3 and relays(w.client) == 3,
                  f"{relays(w.host)} and {relays(w.client)} processes")
            w.both_stop()
            for guest in (w.host, w.client):
                guest.wait("! cat /proc/[0-9]*/comm | grep -x @usbiphp-tls")

    w.up(number=2)
    damage(w, "no kernel has tls: ")
    killed(w, "no kernel has tls: ")


PARTS = (main_job, privileges, strangers, damage, keys_change, killed, rules, aes, plain, no_module)


def build_sandbox_test(workdir, compiler=MUSL):
    """tests/t_sandbox, for a guest that has no libc."""
    program = workdir / "t_sandbox"
    subprocess.run([*compiler, "-static", "-D_GNU_SOURCE", f"-I{ROOT}", "-o", program,
                    ROOT / "tests/t_sandbox.c", ROOT / "sysfs/sysfs.c",
                    *sorted((ROOT / "lib").glob("*.c"))],
                   check=True, timeout=300)
    return program


def confined(guest, timeout=60):
    text = guest.must("t_sandbox", timeout)
    check("\nok - t_sandbox: what can be done with it" in text and "not ok" not in text, text)


def test(kernel, workdir, parts=PARTS):
    files = FILES | {"/bin/t_sandbox": build_sandbox_test(workdir)}
    wires = []
    with lab.pair(kernel, workdir, files=files,
                  cable=lambda: wires.append(Wire()) or wires[0]) as (host, client):
        w = Secure(host, client, workdir, wires[0])
        for part in parts:
            part(w)
        w.close("cat /tmp/*.old;")


if __name__ == "__main__":
    lab.main(test)

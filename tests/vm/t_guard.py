#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The guard between a server and the client's kernel: t_guard.py [KERNEL] [--long [SEED]].

A server that lies (liar.c) is between the client and the real one: each lie ends that
session with one line, the device comes back and works, and the client's kernel logs nothing. --long: with lies
at random, and without the guard.
"""

import contextlib
import hashlib
import pathlib
import random
import subprocess
import sys
import tempfile

import lab
from lab import case, check
from scene import VHCI
from t_main import FILES, ROOT, RUN
from t_secure import MUSL, lose_module, relays
from t_serve import SOON, Serving

PLAN = "/tmp/plan"
LIAR = 3241
COMM = "@usbiphp-guard"
FIXED = ("7.3",)  # kernels that need no guard
GUARDS = f"grep -slx {COMM} /proc/[0-9]*/comm | cut -d/ -f3"
SAYS = "the guard ends the session"
PART = 16  # blocks of 64 kB of the stick that are compared
FREE = 3  # lies about a device until the next attempt would be delayed: FLAP_FREE of lib/backoff.h
FLOOD = 1000  # URBs of 1712 bytes on the wire: more than all that is between the kernel and the server
ROUNDS, BLOCK = 300, 50  # of lies at random: some 10 lies in each
HOST = "6.1"  # the kernel of the host, if the client's is "kasan"

BUSIDS = {"stick": "2-1", "keyboard": "1-2", "audio": "1-3"}
# By its name a device without a driver is exported at once.
SERVER = "-i 1 --dead-after 5 " + " ".join(f"-r 'allow busid {x}'" for x in BUSIDS.values())
PRODUCTS = {"stick": "46f4/1/", "keyboard": "627/1/", "audio": "46f4/2/"}
# The node of a device at the client, by its product. Without its driver it has none of the usual names.
NODE = """node() {
    p=$(grep -ls PRODUCT=$1 /sys/devices/platform/vhci_hcd.*/usb*/*-*/uevent | head -n1) && test -n "$p" &&
        echo /dev/$(sed -n 's/^DEVNAME=//p' $p)
}
"""

# The lies, and the field that the guard names; None: the connection ends without a word.
PLAIN = {
    "seqnum-unsent": "seqnum", "seqnum-older": "seqnum", "answer-twice": "seqnum",
    "code-unknown": "header", "code-request": "header", "code-unlink": "seqnum",
    "length-more": "actual_length", "length-more-out": "actual_length", "length-max": "actual_length",
    "length-2gib": "header", "data-cut": None,
    "packets-1": "number_of_packets", "packets-max": "number_of_packets", "unlink-unasked": "seqnum"}
ISO = {
    "iso-packets-0": "number_of_packets", "iso-packets-more": "number_of_packets",
    "iso-packets-1025": "number_of_packets", "iso-packets-max": "number_of_packets",
    "iso-packets-none": "number_of_packets", "iso-errors": "error_count", "iso-length-more": "actual_length",
    "iso-offset": "offset of a packet", "iso-offset-max": "offset of a packet",
    "iso-packet-length": "length of a packet", "iso-actual": "actual_length of a packet",
    "iso-actual-max": "actual_length of a packet", "iso-status": "status of a packet", "iso-sum": "actual_length"}
CANCELLED = {
    "unlink-twice": "seqnum", "unlink-late-answer": "seqnum", "unlink-status": "status", "unlink-code": "seqnum",
    "garbage": "header", "length-negative": "header", "status-positive": "status", "status-min": "status",
    "status-4096": "status", "answer-twice": "seqnum", "packets-1025": "number_of_packets"}
LIES = {"stick": PLAIN, "keyboard": CANCELLED, "audio": ISO}
ODDITIES = ({"stick": "odd-packets", "keyboard": "odd-basic", "audio": "odd-together"},
            {"stick": "odd-bytes", "keyboard": "odd-bytes", "audio": "odd-basic"},
            {"stick": "odd-basic", "keyboard": "odd-packets", "audio": "odd-bytes"})


class Lying(Serving):
    """A stick, a keyboard and a sound card, through the liar."""

    endpoint = "01"  # of the sound card; 81 as a microphone

    def plug_all(self):
        self.plug_both()
        self.host.plug("audio", "usb-audio", port="3", audiodev="audio")
        self.start(SERVER)
        self.start_liar()

    def start_liar(self):
        self.host.must(f"rm -f {PLAN}; liar serve {LIAR} {PLAN} >/tmp/liar.log 2>&1 &")
        self.host.wait(f"test -s {PLAN} && netstat -ltn | grep -q :{LIAR}")

    # The module may be built in.

    def attached(self, number, timeout=60):
        self.client.wait(f"test \"$(awk '$3 == 6' {VHCI} | wc -l) $(awk '$3 == 5' {VHCI} | wc -l)\" = "
                         f"'{number} 0'", timeout)

    def sessions(self):
        return self.client.must(f"awk '$3 == 5 || $3 == 6' {VHCI}")

    def through_liar(self, options="--guard on"):
        self.begin(f"host:{LIAR}", f"-i 1 {options}")
        self.attached(3)

    def anew(self):
        """The client starts anew, so that nothing is held against any device."""
        self.stop(self.client, "usbiphp-client")
        self.through_liar()

    def liar(self, verb, device, *words):
        return self.host.must(f"liar {verb} {PLAN} {BUSIDS[device]} {' '.join(map(str, words))}").strip()

    def microphone(self, on):
        """From the next session on."""
        self.liar("microphone", "audio", int(on))
        self.endpoint = "81" if on else "01"

    def guards(self):
        return self.client.must(GUARDS).split()

    def said(self):
        """What the guards have said in this client's log."""
        return [x for x in self.lines() if SAYS in x]

    def lines(self):
        return [x.partition(": ")[2] for x in self.log(self.client).splitlines()]

    def count(self):
        """How often each device was attached by this client."""
        self.times = {busid: len([x for x in self.lines() if x.startswith(f"{busid} ") and ": attached to port" in x])
                      for busid in BUSIDS.values()}

    def come_back(self, *devices):
        """Those devices have been attached once more since count()."""
        for busid in map(BUSIDS.get, devices):
            self.client.wait(f"test $(grep -c ': {busid} .*: attached to port' /tmp/client.log) -gt "
                             f"{self.times[busid]}", SOON)
        self.attached(3)
        self.works()
        self.count()

    def held(self):
        """How many unlinks the guards have held back."""
        return sum(map(int, self.client.must(f"for i in {RUN}/guard.*; do od -An -j40 -N8 -tu8 $i; done").split()))

    # What the devices are used for

    def use(self, device):
        """A command for the client that fails unless the device works."""
        if device == "stick":
            digest = hashlib.sha256(self.stick.read_bytes()[:PART << 16]).hexdigest()
            return (f"d=; for i in /sys/block/sd*; do test $(cat $i/size) = 8192 && d=/dev/${{i##*/}}; done; "
                    f"dd if=$d bs=64k count={PART} iflag=direct 2>/dev/null | sha256sum | grep {digest}")
        how = f"iso $n 1 1 {self.endpoint} 20" if device == "audio" else "unlink $n 0 0 81 4"
        return self.urbs(device, *how.split(" $n "))

    @staticmethod
    def urbs(device, verb, where):
        return f"{NODE} n=$(node {PRODUCTS[device]}) && test -w $n && urbs $n {verb} {where}"

    def works(self, *devices):
        for device in devices or BUSIDS:
            self.client.wait(self.use(device), 60)

    def provoke(self, devices):
        """They are used until the lie has been told."""
        pairs = " ".join(BUSIDS[x] for x in devices)
        uses = "\n".join(f"( {self.use(x)} ) >/tmp/use.{x} 2>&1 &" for x in devices)
        self.client.must(uses)
        self.host.wait(f"for b in {pairs}; do test $(liar told {PLAN} $b) != 0 || exit 1; done", 60)

    # Lies

    def lie(self, lies, after=1):
        """{device: lie}: each session has ended for the right reason, and all devices work again."""
        before = len(self.said())
        for device, lie in lies.items():
            self.liar("tell", device, lie, after)
        self.provoke(lies)
        wanted = {BUSIDS[device]: LIES[device][lie] for device, lie in lies.items() if LIES[device][lie]}
        self.client.wait(f"test $(grep -c '{SAYS}' /tmp/client.log) -ge {before + len(wanted)}", SOON)
        self.come_back(*lies)
        said = self.said()[before:]
        check(len(said) == len(wanted), f"{lies}: {said}")
        for busid, field in wanted.items():
            line = [x for x in said if x.startswith(f"{busid} ")]
            check(len(line) == 1 and line[0].endswith(f"has a wrong {field}"), f"{lies}: {busid}: {said}")

    def is_quiet(self):
        complaints = self.client.kernel_complaints()
        check(not complaints, f"{complaints}")


def lies(w, after=1):
    """All of the tables: about each device FREE of them, and then a new client."""
    rest = {device: list(names) for device, names in LIES.items()}
    while any(rest.values()):
        w.microphone(w.endpoint == "01")
        w.anew()
        w.works()
        w.count()
        told = []
        for _ in range(FREE):
            told.append({device: names.pop(0) for device, names in rest.items() if names})
        names = [x for lie in told for x in lie.values()]
        with case(f"a lie ends its session only, the device works again: {' '.join(names)}"):
            for lie in told:
                if lie:
                    w.lie(lie, after)
            w.is_quiet()


def enumerated(w):
    """The kernel asks a port's next session to unlink what it asked the one before for, and waits for the answer."""
    with case("a session that ends while the kernel gets to know its device: the next one at once is not held up"):
        w.microphone(False)
        w.stop(w.client, "usbiphp-client")
        w.liar("tell", "keyboard", "garbage")
        w.begin(f"host:{LIAR}", "-i 1 --guard on")
        w.client.wait(f"grep -q '{SAYS}' /tmp/client.log")
        w.client.wait("grep -q 'gone from port' /tmp/client.log")
        w.client.must(lab.kill("usbiphp-client", "KILL"))  # the next one has nothing against the device
        w.through_liar()
        w.works()
        check(not [x for x in w.lines() if "never answered" in x], w.log(w.client))
        w.is_quiet()


def oddities(w):
    with case("odd but honest answers are made fit, and the sessions stay"):
        w.anew()
        before = w.sessions()
        for odd in ODDITIES:
            for device, name in odd.items():
                w.liar("tell", device, name)
            w.works()
            for device, name in odd.items():
                check(w.liar("told", device) != "0", f"{device}: no answer was {name}")
                w.liar("honest", device)
        check(w.sessions() == before and not w.said(), w.log(w.client))


def silence(w):
    with case("a server that owes the rest of an answer, or an answer to an unlink, and is silent: its session ends"):
        w.stop(w.client, "usbiphp-client")
        w.through_liar("--guard on --dead-after 10")
        w.works()
        w.count()
        w.liar("tell", "stick", "data-stall", 1)
        w.liar("tell", "keyboard", "unlink-never", 1)
        w.provoke(("stick", "keyboard"))
        w.client.wait("test $(grep -c 'the guard ends the session: .* is silent' /tmp/client.log) = 2", 100)
        w.come_back("stick", "keyboard")
        w.is_quiet()


def cancels(w):
    with case("URBs that are cancelled at once end no session"):
        before = w.sessions()
        w.client.must(w.urbs("keyboard", "cancel", "0 0 81 200"), 240)
        check(w.sessions() == before and not w.said(), w.log(w.client))
        print(f"# unlinks that came before their URB: {w.held()}", file=sys.stderr, flush=True)
        w.works()


def rights(w):
    with case("a guard has no right but its sockets"):
        check(len(w.guards()) == 3, w.guards())
        for pid in w.guards():
            status = w.client.must(f"cat /proc/{pid}/status")
            check("CapEff:\t0000000000000000" in status and "CapPrm:\t0000000000000000" in status and
                  "NoNewPrivs:\t1" in status and
                  ("Seccomp:\t2" in status or w.client.kernel == "kasan"), status)  # which has none
            files = [x.split(" -> ")[1] for x in w.client.must(f"ls -l /proc/{pid}/fd").splitlines()
                     if " -> " in x]
            known = {"/dev/null", "/tmp/client.log", "anon_inode:[eventpoll]"}
            sockets = [x for x in files if x.startswith("socket:")]
            pages = [x for x in files if x.startswith(f"{RUN}/guard.") or x.startswith("/run/usbiphp/guard.")]
            others = [x for x in files if x not in known and x not in sockets and x not in pages]
            check(len(sockets) == 2 and len(pages) == 1 and not others, files)


def ends(w):
    with case("a client that is killed: guards and sessions stay, and the next one has them"):
        before, guards = w.sessions(), w.guards()
        w.client.must(lab.kill("usbiphp-client", "KILL"))
        w.client.wait("! pidof usbiphp-client")
        w.works()
        w.through_liar()
        w.works()
        w.client.wait("usbiphp status | grep -q attached")
        check(w.sessions() == before and w.guards() == guards, "other sessions or guards")
        check(": attached" not in w.log(w.client), w.log(w.client))

    with case("a device that is detached has no guard, and one again later"):
        said = w.client.must(f"usbiphp detach {BUSIDS['audio']}")
        w.attached(2)
        w.client.wait(f"test $({GUARDS} | wc -l) = 2 && test $(ls {RUN}/guard.* | wc -l) = 2")
        w.client.must(said.split("until '")[1].rstrip("'\n"))
        w.attached(3)
        w.works()
        check(len(w.guards()) == 3, w.guards())

    with case("a guard that is killed: its session ends, and the device comes back"):
        w.count()
        w.client.must(f"kill -9 {' '.join(w.guards())}")
        w.come_back(*BUSIDS)
        check(len(w.guards()) == 3, w.guards())

    with case("a client that stops leaves no guard"):
        w.stop(w.client, "usbiphp-client")
        w.attached(0)
        w.client.wait(f"test -z \"$({GUARDS})\"")
        w.client.must(f"! test -e {RUN}")
        w.free(3)

    with case("a server that is cut off: its devices leave in time"):
        w.microphone(False)  # the real server has none
        w.begin(options="-i 1 --dead-after 5 --guard on")
        w.attached(3)
        w.works()  # else the kernel would still be busy with some when they come back
        w.client.link(False)
        w.attached(0, 90)
        w.client.wait(f"test -z \"$({GUARDS})\" && ! ls {RUN}/guard.*")
        w.client.link(True)
        w.attached(3)
        w.works()
        check(not w.said(), w.said())
        w.stop(w.client, "usbiphp-client")


def flood(w, cut):
    """A program floods the sound card, of which nothing is taken since cut(), and is killed: it waits for the kernel."""
    blocked = "cat $(grep -lxs vhci_tx /proc/[0-9]*/comm | sed s/comm$/stack/) | grep unix_stream_sendmsg"
    w.works("audio")
    w.client.must("echo 4096 16384 65536 >/proc/sys/net/ipv4/tcp_wmem")
    waits = "( until test -e /tmp/go; do usleep 10000; done )"
    w.client.must("rm -f /tmp/go /tmp/flood; " + w.urbs("audio", "flood", f"1 1 01 {FLOOD}").replace(
        "urbs $n", f"{waits} | urbs $n") + " >/tmp/flood 2>&1 &")
    w.client.wait("grep ready /tmp/flood")
    cut()
    w.client.must("touch /tmp/go")
    w.client.wait(blocked)
    w.client.must(lab.kill("urbs", "KILL"))
    w.client.wait("grep usb_kill_urb /proc/$(pidof urbs)/stack")


def leaving(w):
    for end in ("its server ends", "the client stops"):
        with case(f"a program that leaves a device of which nothing is taken, {end}: the kernel lets it go"):
            w.microphone(False)
            w.begin(f"host:{LIAR}", "-i 1 --dead-after 600 --guard on")
            w.attached(3)
            try:
                flood(w, lambda: w.host.must("kill -STOP $(pidof liar)"))
                if end == "the client stops":
                    w.stop(w.client, "usbiphp-client")
            finally:
                w.host.must("kill -KILL $(pidof liar)")
                w.start_liar()
            w.client.wait("! pidof urbs")
            if end == "its server ends":
                w.attached(3)
                w.works()
                w.stop(w.client, "usbiphp-client")


def modes(w):
    for mode, guards in (("off", 0), ("auto", 0 if w.client.kernel in FIXED else 3)):
        with case(f"--guard {mode}, a server without a key: {guards} guards, and all works"):
            w.through_liar(f"--guard {mode}")
            check(len(w.guards()) == guards, w.guards())
            w.works()
            w.stop(w.client, "usbiphp-client")

    with case("a server with a key has a guard with --guard on only"):
        key = w.host.must("usbiphp psk laptop").strip()
        for guest in (w.host, w.client):
            guest.must(f"umask 077; echo '{key}' >/tmp/keys")
        w.stop(w.host, "usbiphp-server")
        w.start(f"{SERVER} --psk /tmp/keys")
        for mode, guards in (("auto", 0), ("on", 3)):
            w.begin(options=f"-i 1 --psk /tmp/keys --guard {mode}")
            w.attached(3)
            check(len(w.guards()) == guards, f"{mode}: {w.guards()}")
            w.endpoint = "01"
            w.works()
            w.stop(w.client, "usbiphp-client")


def without_tls(w):
    with case("no kernel module for TLS and no guard: the kernel lets go of a program that leaves, too"):
        lose_module(w.client)
        w.begin(options="-i 1 --dead-after 600 --psk /tmp/keys --guard off")
        w.attached(3)
        check(relays(w.client), "there is no process that speaks TLS")
        flood(w, lambda: w.client.link(False))
        w.stop(w.client, "usbiphp-client")
        w.client.wait("! pidof urbs")
        w.client.link(True)


def tone(w):
    with case("a tone is played by the kernel's driver"):
        w.microphone(False)
        w.through_liar()
        before = w.sessions()
        w.client.must("modprobe snd_usb_audio")
        w.client.wait("test -e /dev/snd/pcmC0D0p")
        w.client.must("play /dev/snd/pcmC0D0p 9600")
        check(w.sessions() == before and not w.said(), w.log(w.client))
        w.stop(w.client, "usbiphp-client")


def at_random(w, seed):
    """The client is killed again and again, so that the next one waits for no device."""
    dice, told, ended = random.Random(seed), 0, 0
    for first in range(0, ROUNDS, BLOCK):
        with case(f"lies at random, seed {seed}, rounds {first} to {first + BLOCK - 1}: the kernel logs nothing"):
            for _ in range(BLOCK):
                w.microphone(dice.randrange(2))
                for device in BUSIDS:
                    w.liar("random", device, dice.randrange(1 << 32), dice.choice((3, 10, 30)))
                w.client.must("kill -9 $(pidof usbiphp-client); true")
                w.begin(f"host:{LIAR}", "-i 1 --guard on")
                uses = "\n".join(f"( for i in 1 2 3 4 5 6; do {w.use(x)}; usleep 300000; done ) >/dev/null 2>&1 & "
                                 "p=\"$p $!\"" for x in BUSIDS)
                w.client.must(f"{uses}\nwait $p; true", 240)
                told += sum(int(w.liar("told", device)) for device in BUSIDS)
                ended += len(w.said())
            w.is_quiet()
    with case("after all that every device works"):
        for device in BUSIDS:
            w.liar("honest", device)
        w.microphone(False)
        w.stop(w.client, "usbiphp-client")
        w.through_liar()
        w.works()
        check(told > ROUNDS and ended > ROUNDS, f"only {told} lies, only {ended} sessions ended")
    print(f"# {w.client.kernel}: {told} lies at random, {ended} sessions ended", file=sys.stderr, flush=True)


def unguarded(kernel, workdir, files):
    """What there is to guard against. It only tells, and has no case."""
    complaints = []
    with machines(kernel, workdir, files) as w:
        w.microphone(True)
        try:
            for i in range(len(ISO)):
                w.through_liar("--guard off")
                told = {device: list(names)[i % len(names)] for device, names in LIES.items()}
                for device, name in told.items():
                    w.liar("tell", device, name)
                w.provoke(told)
                w.client.must(lab.kill("usbiphp-client", "KILL"))
        except lab.LabError:
            pass  # the kernel may do anything now
        try:
            complaints = w.client.kernel_complaints()
        except lab.LabError:
            complaints = ["it does not answer any more"]
        answer = "yes" if complaints or w.client.process.poll() is not None else "no"
    print(f"# {kernel}: without the guard: the kernel complains: {answer}", file=sys.stderr, flush=True)


def build(workdir):
    """The programs for the guests: {path there: path here}."""
    made = {f"/bin/{name}": workdir / name for name in ("liar", "urbs", "play")}
    for name in made.values():
        subprocess.run([*MUSL, "-static", "-D_GNU_SOURCE", f"-I{ROOT}", "-o", name,
                        ROOT / f"tests/vm/{name.name}.c", ROOT / "proto/urb.c", ROOT / "proto/wire.c"],
                       check=True, timeout=300)
    return made


@contextlib.contextmanager
def machines(kernel, workdir, files):
    """The pair, with all devices plugged in and the liar."""
    with lab.pair(HOST if kernel == "kasan" else kernel, workdir, files=FILES | files, client_kernel=kernel,
                  memory=768 if kernel == "kasan" else 256, more=("-audiodev", "none,id=audio")) as (host, client):
        w = Lying(host, client, workdir)
        w.plug_all()
        yield w


def test(kernel, workdir, seed):
    files = build(workdir)
    with machines(kernel, workdir, files) as w:
        w.through_liar()
        w.works()
        lies(w)
        silence(w)
        enumerated(w)
        oddities(w)
        cancels(w)
        rights(w)
        ends(w)
        leaving(w)
        if seed is not None:
            w.through_liar()
            at_random(w, seed)
            w.stop(w.client, "usbiphp-client")
        if kernel != "kasan":  # it has no sound
            tone(w)
        modes(w)
        if kernel != "kasan":  # its TLS is no module
            without_tls(w)
        w.close()
    if seed is not None:
        unguarded(kernel, workdir, files)


if __name__ == "__main__":
    words = [x for x in sys.argv[1:] if not x.isdigit() and x != "--long"] or ["6.1"]
    number = next((int(x) for x in sys.argv[1:] if x.isdigit()), 1)
    with tempfile.TemporaryDirectory() as directory, case(f"{words[0]}: ran to its end"):
        test(words[0], pathlib.Path(directory), number if "--long" in sys.argv else None)
    lab.finish()

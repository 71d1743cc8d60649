#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Virtual machines with real kernels and USB devices, for the tests in this directory."""

import contextlib
import json
import pathlib
import queue
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import zlib

import image
from image import fetch  # noqa: F401  (part of what tests use)

BOOT_SECONDS = 180
CMDLINE = ("loglevel=5 panic=-1 nowatchdog mitigations=off audit=0 apparmor=0 init_on_alloc=0 "
           "cryptomgr.notests random.trust_cpu=on")
# All that is emulated, but what costs an emulator more than it saves a kernel: a fifth level of page tables,
# checks at each copy from and to programs, and moves of bytes by one instruction, which are done one at a time.
CPU = "max,-la57,-smap,-smep,-umip,-pku,-erms,-fsrm"
# What an architecture's machines are, and what only their kernels are told.
MACHINES = {"x86_64": (f"-M q35 -cpu {CPU}", "console=ttyS0 tsc=reliable no_timer_check"),
            "aarch64": ("-M virt -cpu cortex-a57", "console=ttyAMA0 nokaslr")}
COMPLAINT = re.compile(r"\b(BUG:|kernel BUG|Oops|WARNING:|general protection|KASAN|UBSAN|"
                       r"blocked for more than|refcount_t:|list_(add|del) corruption|"
                       r"Internal error:|Kernel panic|bad unlock balance)")


# The word "usbfs" makes a test one of machines that never had usbip-host; what needs it is left out.
USBFS = "usbfs" in sys.argv
WITHOUT_STUB = "lab.without=usbip_host"


class LabError(Exception):
    """Something in the lab, or in a guest, did not do what it had to."""


class Cable:
    """A network cable between two guests; it outlives them, so either may be booted again."""

    def __init__(self):
        self.ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def close(self):
        for end in self.ends:
            end.close()


class Qmp:
    """QEMU's control connection: commands and the events between them."""

    def __init__(self, sock):
        self.sock, self.events, self.answers = sock, [], queue.Queue()
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(OSError, ValueError), self.sock.makefile("r") as lines:
            for line in lines:
                message = json.loads(line)
                if "event" in message:
                    with self.changed:
                        self.events.append(message)
                        self.changed.notify_all()
                else:
                    self.answers.put(message)
        self.answers.put({"error": {"desc": "QEMU has ended"}})

    def greeting(self, timeout=30):
        self._answer("greeting", timeout)
        self.command("qmp_capabilities")

    def _answer(self, what, timeout):
        try:
            answer = self.answers.get(timeout=timeout)
        except queue.Empty:
            raise LabError(f"QEMU does not answer: {what}") from None
        if "error" in answer:
            raise LabError(f"QEMU refuses {what}: {answer['error']['desc']}")
        return answer.get("return")

    def command(self, execute, timeout=30, **arguments):
        request = json.dumps({"execute": execute, "arguments": arguments})
        try:
            self.sock.sendall(request.encode() + b"\n")
        except OSError as error:
            raise LabError(f"QEMU has ended: {error}") from None
        return self._answer(request, timeout)

    def wait_event(self, name, since, timeout, **data):
        def seen():
            return any(e["event"] == name and data.items() <= e.get("data", {}).items()
                       for e in self.events[since:])
        with self.changed:
            if not self.changed.wait_for(seen, timeout):
                raise LabError(f"no {name} event {data} from QEMU in {timeout} s")


class Guest:
    """One virtual machine. `net` is an end of a Cable or a list of them, `addr` likewise.

    `more` are words for QEMU; the last of an option counts.
    Use it from the main thread: the machine ends with the thread that made it.
    """

    qemu = None  # a program in place of the architecture's emulator

    def __init__(self, name, kernel, workdir, net=None, addr="10.0.0.1/24", files=None,
                 icount=False, memory=256, append="", more=()):
        self.name, self.kernel, self.arch = name, kernel, image.arch(kernel)
        self.workdir = pathlib.Path(workdir)
        self.serial = self.workdir / f"{name}.serial"
        self.nets = net if isinstance(net, list) else [net] if net else []
        addrs = addr if isinstance(addr, list) else [addr]
        self.append = f"lab.name={name} lab.addr={','.join(addrs[:len(self.nets)])} {append}"
        self.append += f" {WITHOUT_STUB}" if USBFS else ""
        self.icount, self.memory, self.more = icount, memory, more
        self.events, self.changed = [], threading.Condition()
        self.lock, self.last_id, self.backends = threading.Lock(), 0, {}
        self.workdir.mkdir(parents=True, exist_ok=True)
        self.initrd = self.workdir / f"{name}.cpio"
        image.initramfs(kernel, files or {}, self.initrd)
        self._start()

    def _start(self):
        """Start QEMU; the guest is there after ready()."""
        mine, its = zip(*(socket.socketpair() for _ in range(3)))
        machine, told = MACHINES[self.arch]
        argv = ["setpriv", "--pdeathsig", "KILL", self.qemu or f"qemu-system-{self.arch}",
                "-name", self.name, "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", *machine.split(), "-accel", "tcg", "-smp", "1",
                "-m", str(self.memory),
                "-kernel", str(fetch(self.kernel) / "kernel"), "-initrd", str(self.initrd),
                "-append", f"{told} {CMDLINE} {self.append}", "-serial", f"file:{self.serial}",
                "-chardev", f"socket,id=qmp,fd={its[0].fileno()}", "-mon", "qmp,mode=control",
                "-chardev", f"socket,id=command,fd={its[1].fileno()}",
                "-chardev", f"socket,id=events,fd={its[2].fileno()}",
                "-device", "virtio-serial",
                "-device", "virtserialport,chardev=command,name=command",
                "-device", "virtserialport,chardev=events,name=events",
                "-device", "qemu-xhci,id=xhci,p2=15,p3=15"]
        if self.icount:
            argv += ["-icount", "shift=0,sleep=off"]
        for n, end in enumerate(self.nets):
            mac = zlib.crc32(f"{self.name} {n}".encode()).to_bytes(4, "big").hex(":")
            argv += ["-netdev", f"socket,id=net{n},fd={end.fileno()}",
                     "-device", f"virtio-net,id=nic{n},netdev=net{n},romfile=,mac=52:54:{mac}"]
        argv += self.more
        self.serial.write_bytes(b"")
        with open(self.workdir / f"{self.name}.qemu", "wb") as log:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[end.fileno() for end in (*its, *self.nets)])
        for end in its:
            end.close()
        self.sockets = mine
        self.qmp = Qmp(mine[0])
        self.channel = mine[1].makefile("rb")
        threading.Thread(target=self._read_events, args=(mine[2],), daemon=True).start()

    def ready(self, timeout=BOOT_SECONDS):
        """Wait until the guest has booted."""
        try:
            try:
                self.qmp.greeting()
            except LabError as error:
                self.fail(error)
            with self.lock:
                self._answer(0, time.monotonic() + timeout, "boot")
        except LabError:
            self.close()
            raise
        return self

    def __enter__(self):
        return self.ready()

    def __exit__(self, *_):
        self.close()

    def tail(self, lines=30):
        """The end of the guest's console, for error messages."""
        qemu = (self.workdir / f"{self.name}.qemu").read_text(errors="replace")
        text = qemu + self.serial.read_text(errors="replace")
        return f"--- console of {self.name}:\n" + "\n".join(text.splitlines()[-lines:])

    def fail(self, why):
        raise LabError(f"{self.name}: {why}\n{self.tail()}")

    # Commands, files

    def _answer(self, ident, deadline, what):
        """Read answers up to the one to `ident`; those to commands given up on are dropped."""
        while True:
            try:
                self.sockets[1].settimeout(max(deadline - time.monotonic(), 0.001))
                head = self.channel.readline().split()
                if len(head) != 3:
                    self.fail(f"the machine ended during: {what}")
                answered, status, length = map(int, head)
                self.sockets[1].settimeout(30)
                output = self.channel.read(length)
            except TimeoutError:
                # A timeout spoils the file object, not the channel: nothing was half read.
                self.channel = self.sockets[1].makefile("rb")
                self.fail(f"no answer in time: {what}")
            except OSError as error:
                self.fail(f"{error} during: {what}")
            if answered == ident:
                return status, output

    def _request(self, verb, data, tail, timeout, what):
        with self.lock:
            self.last_id += 1
            head = f"{verb} {self.last_id} {len(data)} {tail}\n"
            try:
                self.sockets[1].settimeout(timeout)
                self.sockets[1].sendall(head.encode() + data)
            except OSError as error:
                self.fail(f"{error} during: {what}")
            return self._answer(self.last_id, time.monotonic() + timeout, what)

    def sh(self, cmd, timeout=90):
        """Run a shell command: (status, standard output and error)."""
        if self.kernel == "kasan":
            timeout *= 4
        status, output = self._request("run", cmd.encode() + b"\n", "", timeout, cmd)
        return status, output.decode(errors="replace")

    def must(self, cmd, timeout=90):
        """The output of a command that has to succeed."""
        status, output = self.sh(cmd, timeout)
        if status:
            self.fail(f"status {status} from: {cmd}\n{output}")
        return output

    def wait(self, cmd, timeout=90):
        """Try a shell condition until it holds: its output."""
        deadline, pause = time.monotonic() + timeout, 0.02
        while True:
            status, output = self.sh(cmd, max(deadline - time.monotonic(), 1))
            if status == 0:
                return output
            if time.monotonic() > deadline:
                self.fail(f"not within {timeout} s: {cmd}\n{output}")
            time.sleep(pause)
            if not self.icount:  # a command is some ten processes in the guest; its time is real
                pause = min(1.5 * pause, 0.25)

    def put(self, hostpath, guestpath):
        """Copy a file into the guest, with its mode."""
        path = pathlib.Path(hostpath)
        status, output = self._request("put", path.read_bytes(), guestpath, 120,
                                       f"put {guestpath}")
        if status:
            self.fail(f"put {guestpath}: {output.decode(errors='replace')}")
        self.must(f"chmod {path.stat().st_mode & 0o7777:o} '{guestpath}'")

    def get(self, guestpath):
        """The bytes of a file in the guest."""
        status, output = self._request("run", f"cat '{guestpath}'\n".encode(), "", 120,
                                       f"get {guestpath}")
        if status:
            self.fail(f"get {guestpath}: {output.decode(errors='replace')}")
        return output

    # Kernel messages

    def _read_events(self, sock):
        record = []
        with contextlib.suppress(OSError, ValueError), sock.makefile("rb") as lines:
            for raw in lines:
                line = raw.decode(errors="replace").rstrip("\n")
                if line:
                    record.append(line)
                    continue
                with self.changed:
                    self.events.append((time.monotonic(), "\n".join(record)))
                    self.changed.notify_all()
                record = []

    def wait_event(self, *texts, since=0.0, timeout=90):
        """The first uevent (seconds, text) after `since` that holds all of `texts`."""
        def find():
            return next((e for e in self.events
                         if e[0] >= since and all(t in e[1] for t in texts)), None)
        with self.changed:
            found = self.changed.wait_for(find, timeout)
        return found or self.fail(f"no uevent {texts} in {timeout} s")

    def kernel_complaints(self):
        """Lines of the kernel's log that tell of a bug in the kernel."""
        log = self.serial.read_text(errors="replace")
        if self.process.poll() is None:
            log += self.sh("dmesg")[1]
        lines = dict.fromkeys(re.sub(r"^\[ *[\d.]+\] ", "", x) for x in log.splitlines())
        return [line for line in lines if COMPLAINT.search(line)]

    # The machine: devices, cable, power

    def plug(self, ident, driver, image=None, read_only=False, bus="xhci.0", **props):
        """Plug in a USB device, `props` as QEMU names them; `image` is a usb-storage's file."""
        behind = f"{ident}-backend"
        if image:
            self.qmp.command("blockdev-add", **{
                "driver": "raw", "node-name": behind, "read-only": read_only,
                "file": {"driver": "file", "filename": str(image)}})
            self.backends[ident] = ("blockdev-del", {"node-name": behind})
            props["drive"] = behind
        elif driver == "usb-serial" and "chardev" not in props:
            self.qmp.command("chardev-add", id=behind,
                             backend={"type": "ringbuf", "data": {"size": 65536}})
            self.backends[ident] = ("chardev-remove", {"id": behind})
            props.update({"chardev": behind, "always-plugged": True})
        self.qmp.command("device_add", driver=driver, id=ident, bus=bus, **props)

    def unplug(self, ident):
        """Pull out a USB device."""
        since = len(self.qmp.events)
        self.qmp.command("device_del", id=ident)
        self.qmp.wait_event("DEVICE_DELETED", since, 30, device=ident)
        if ident in self.backends:
            command, arguments = self.backends.pop(ident)
            self.qmp.command(command, **arguments)

    def link(self, up, nic=0):
        """Pull the network cable out, or put it back."""
        self.qmp.command("set_link", name=f"nic{nic}", up=up)

    def freeze(self):
        self.qmp.command("stop")

    def thaw(self):
        self.qmp.command("cont")

    def power_cut(self):
        """The machine is gone at once, as when the power fails. start() powers it on again."""
        self.process.kill()
        self.process.wait(30)

    def start(self):
        """Power on again after power_cut(); no USB devices are plugged in."""
        self.close()
        self.backends.clear()
        self._start()
        self.last_id = 0
        return self.ready()

    def close(self):
        self.power_cut()
        self.channel.close()
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@contextlib.contextmanager
def pair(kernel, workdir, files=None, client_kernel=None, cable=Cable, more=(), **options):
    """Two guests on one cable: the host at 10.0.0.1 and the client at 10.0.0.2.

    Guests of two architectures have `files` of their own: it is a function of the kernel's name.
    `more` may be one of the guest's.
    """
    with contextlib.ExitStack() as stack:
        cable = cable()
        stack.callback(cable.close)
        both = []
        for name, end, which, addr in (("host", 0, kernel, "10.0.0.1/24"),
                                       ("client", 1, client_kernel or kernel, "10.0.0.2/24")):
            both.append(Guest(name, which, workdir, net=cable.ends[end], addr=addr,
                              files=files(which) if callable(files) else files,
                              more=more(name) if callable(more) else more, **options))
            stack.callback(both[-1].close)
        for guest in both:
            guest.ready()
        yield both


# So that an end from outside is an orderly one too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

results = {"ok": 0, "not ok": 0}


@contextlib.contextmanager
def case(name):
    """One case of a test: prints "ok - NAME" or "not ok - NAME: REASON", and goes on."""
    try:
        yield
    except Exception as error:
        results["not ok"] += 1
        reason = str(error).partition("\n")[0] or type(error).__name__
        print(f"not ok - {name}: {reason}", flush=True)
        print("".join(f"# {x}\n" for x in traceback.format_exc().splitlines()), file=sys.stderr)
    else:
        results["ok"] += 1
        print(f"ok - {name}", flush=True)


def kill(name, number="TERM"):
    """A command for a guest: every process of that name gets the signal; it fails if there is none. A daemon's
    short-lived children have its name, and may be gone by then."""
    return f"pidof {name} >/dev/null && {{ kill -{number} $(pidof {name}); true; }}"


def check(condition, reason="check failed"):
    """Fail the case with `reason` unless `condition`."""
    if not condition:
        raise LabError(reason)


def main(test):
    """A test program: test(KERNEL, DIRECTORY) for each kernel of the command line, by default 6.1."""
    for kernel in [x for x in sys.argv[1:] if x != "usbfs"] or ["6.1"]:
        with tempfile.TemporaryDirectory() as directory, case(f"{kernel}: ran to its end"):
            test(kernel, pathlib.Path(directory))
    finish()


def finish():
    """End a test: the exit status tells whether every case was ok, and that there was one."""
    sys.exit(0 if results["ok"] and not results["not ok"] else 1)

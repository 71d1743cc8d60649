#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The client through ssh: OpenSSH's and dropbear's, working and failing; no USB is involved.

All of it is in namespaces of its own: network, processes, and mounts, where root has another home.
"""

import collections
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent)]

import t_network  # noqa: E402
from t_network import (CLIENT, ROOT, Daemon, Fake, Server, case, check, enter_namespaces,  # noqa: E402
                       free_port, run, run_in_memory, unpack, until)

USBIPHP = ROOT / "build" / "usbiphp"
HERE = "ssh://127.0.0.1"
SSH, DROPBEAR = "/usr/bin/ssh", "/usr/bin/dbclient"
# What dies with a link that is silent: three questions, each 5 s after the last.
SILENT = 40

Done = collections.namedtuple("Done", "status out err")


def bind(source, target):
    """The file `target` is `source` until that is undone."""
    run("mount", "--bind", source, target)


@contextlib.contextmanager
def bound(source, *targets):
    for target in targets:
        bind(source, target)
    try:
        yield
    finally:
        for target in targets:
            run("umount", target)


def processes(*names):
    """The processes of those names, by pid: their state. Dead orphans are init's to bury."""
    found = {}
    for place in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, state, parent = re.search(r"\((.*)\) (.) (\d+)",
                                            (place / "stat").read_text()).groups()
            if name in names and (state, parent) != ("Z", "1"):
                found[int(place.name)] = state
    return found


def clients():
    return processes("ssh", "dbclient")


def none_left():
    until(lambda: not clients(), f"no ssh is left: {clients()}")


def usbiphp(*argv):
    """One that ends; without ssh behind it."""
    done = subprocess.run([str(x) for x in (USBIPHP, *argv)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=t_network.DEADLINE)
    none_left()
    return Done(done.returncode, done.stdout, done.stderr)


def fails(word, server, *argv):
    """In one line, which has the word."""
    done = usbiphp("list", *argv, server)
    check(done.status == 1 and not done.out, f"status {done.status}, {done.out!r}")
    check(done.err.count("\n") == 1 and done.err.isascii() and done.err[:-1].isprintable(),
          f"not one line: {done.err!r}")
    check(done.err.startswith(f"usbiphp list: cannot reach {server}: "), f"it says {done.err!r}")
    check(word in done.err, f"not '{word}': {done.err!r}")


def client(work, name, interval, port, *argv, server=HERE):
    return Daemon(work / name, CLIENT, "--sysfs", work / "client-sys", "-i", str(interval),
                  "-p", str(port), *argv, server)


class Sshd:
    """An ssh server at port 22."""

    def __init__(self, work):
        self.home = work / "home"
        self.keys = self.home / ".ssh"
        self.log = work / "sshd.log"
        self.keys.mkdir(parents=True, mode=0o700)
        for name in ("host", "other", "id_ed25519"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.keys / name)
        run("dropbearkey", "-t", "ed25519", "-f", self.keys / "id_dropbear")
        self.public = (self.keys / "id_ed25519.pub").read_text() + re.search(
            "^ssh-.*\n", run("dropbearkey", "-y", "-f", self.keys / "id_dropbear"), re.M)[0]
        self.settle()
        config = work / "sshd_config"
        config.write_text(
            f"ListenAddress 127.0.0.1\nHostKey {self.keys}/host\nUsePAM no\nStrictModes no\n"
            f"PermitRootLogin prohibit-password\nAuthorizedKeysFile {self.keys}/authorized\n"
            f"PidFile none\nMaxStartups 100\n")
        self.process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", config, "-E", self.log])
        until(self.listens, "sshd listens")

    @staticmethod
    def listens():
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", 22)).close()
            return True

    def settle(self, allowed=True, host="host"):
        """Who may come, and which key of the server is expected."""
        (self.keys / "authorized").write_text(self.public if allowed else "")
        kind, key, _ = (self.keys / f"{host}.pub").read_text().split()
        (self.keys / "known_hosts").write_text(f"127.0.0.1 {kind} {key}\n")

    def logins(self):
        return self.log.read_text().count("Accepted publickey")


# Cases


def lists(work):
    server = Server(work / "server")
    port = str(server.port)
    with case("a list through ssh is the list"):
        plain = usbiphp("list", "-p", port, "127.0.0.1")
        check(plain.status == 0 and "1-1.2" in plain.out, f"the plain list: {plain}")
        plain = json.loads(usbiphp("list", "--json", "-p", port, "127.0.0.1").out)["devices"]
        for name in (HERE, f"{HERE}:22", "ssh://root@127.0.0.1", "ssh://root@127.0.0.1:22"):
            done = usbiphp("list", "--json", "-p", port, name)
            there = json.loads(done.out.replace("@root@127", "@127"))
            check(done.status == 0 and not done.err, f"{name}: {done}")
            check(there["host"] == name and there["devices"] == plain, f"{name}: {done}")
    with case("the doctor asks through ssh"):
        done = usbiphp("doctor", "-p", port, HERE)
        check(f"{HERE}: exports {len(server.list())} device" in done.out and "reports changes" in done.out, f"{done}")
    check(server.stop() == 0, "the server's exit status")


def faults(sshd, port):
    taken = socket.create_server(("127.0.0.1", 0))
    silent = f"{HERE}:{taken.getsockname()[1]}"
    with case("whoever may not come is told so"):
        sshd.settle(allowed=False)
        fails("Permission denied", HERE, "-p", port)
    with case("a host key that is another's"):
        sshd.settle(host="other")
        fails("Host key verification failed", HERE, "-p", port)
    sshd.settle()
    with case("nobody listens behind ssh"):
        fails("Connection refused", HERE, "-p", str(free_port()))
    with case("no ssh server"):
        fails("Connection refused", f"{HERE}:{free_port()}")
    with case("an ssh server that says nothing"):
        fails("timed out", silent)
    taken.close()


def confinement(daemon):
    """Capabilities that it has or can get, and how many filters its calls go through."""
    status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
    return re.findall(r"^(CapPrm|CapBnd|NoNewPrivs|Seccomp|Seccomp_filters):\s*(\w+)$", status, re.M)


def confined(work):
    with case("a client with a server behind ssh is confined as any other"):
        fake = Fake("serve")
        plain = client(work, "plain", 60, fake.port, server="127.0.0.1")
        until(lambda: fake.watchers, "a watch")
        both = client(work, "both", 60, fake.port, "127.0.0.2")
        until(lambda: len(fake.watchers) > 1, "a watch through ssh")
        check(dict(confinement(both))["Seccomp"] == "2", f"it is not: {confinement(both)}")
        check(confinement(both) == confinement(plain),
              f"{confinement(both)}, not {confinement(plain)}")
        check(len(processes("usbiphp-ssh")) == 1, f"{processes('usbiphp-ssh')}")
        for daemon in (plain, both):
            check(daemon.stop() == 0, "its exit status")
        fake.close()
        none_left()
        until(lambda: not processes("usbiphp-ssh"), "the process of ssh ends")


def watch(work, sshd):
    with case("a watch through ssh: what is pushed is imported at once"):
        fake = Fake("serve")
        daemon = client(work, "watch", 60, fake.port)
        until(lambda: fake.watchers, "a watch")
        fds = daemon.fds()
        for i in range(1, 6):
            fake.devices.append(f"1-{i}")
            fake.push()
            until(lambda i=i: f"1-{i}" in fake.imports, f"1-{i} is imported")
        check((fake.lists, fake.watches) == (1, 1), f"{fake.lists} lists, {fake.watches} watches")
        until(lambda: len(clients()) == 1, f"one ssh is left: {clients()}")
        until(lambda: daemon.fds() == fds, f"{daemon.fds()} descriptors, not {fds}")
        check("cannot reach" not in daemon.log(), daemon.log())

    with case("a watch that is cut: another one, and nothing is left of the first"):
        fake.hang_up()
        until(lambda: fake.lists == 2, "it asks for the list")
        until(lambda: not any(x == "Z" for x in clients().values()), f"no zombies: {clients()}")
        until(lambda: len(clients()) <= 1, f"one ssh at most: {clients()}")
        check(daemon.fds() <= fds, f"{daemon.fds()} descriptors, not {fds}")
        check(daemon.stop() == 0, "its exit status")
        none_left()

    with case("a killed client leaves no ssh"):
        daemon = client(work, "killed", 60, fake.port)
        before = fake.watches
        until(lambda: fake.watches > before, "a watch")
        daemon.process.kill()
        daemon.process.wait()
        none_left()
        Daemon.all.remove(daemon)

    with case("a link that is silent is dead"):
        fake.devices.clear()
        daemon = client(work, "silent", 1, fake.port)
        before = fake.watches
        until(lambda: fake.watches > before, "a watch")
        until(lambda: len(clients()) == 1, "one ssh")
        (was,) = clients()
        held = [i for i in processes("sshd") if i != sshd.process.pid]
        check(held, "no sshd of that connection")
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        until(lambda: was not in clients(), "its ssh ends", SILENT)
        lists = fake.lists
        until(lambda: fake.lists > lists, "it asks for the list again")
        for pid in held:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        check(daemon.stop() == 0, "its exit status")
        none_left()
    fake.close()


def poll(work):
    with case("a server without watch is polled, without a word"):
        fake = Fake("close")
        daemon = client(work, "polled", 1, fake.port)
        until(lambda: fake.lists >= 3, "it is polled")
        check(fake.most == 1, f"{fake.most} connections at a time")
        fake.devices.append("1-1")
        until(lambda: fake.imports, "it imports what the list shows")
        check("cannot reach" not in daemon.log(), daemon.log())
        until(lambda: "cannot attach 1-1" in daemon.log(), "the refusal is said")
        check(daemon.stop() == 0, "its exit status")
        none_left()
        fake.close()


def trouble(work, sshd):
    """A fault that lasts is said once, another one is news, and its end, too."""
    with case("what is wrong is said once, and what is wrong then"):
        port = free_port()
        daemon = client(work, "trouble", 1, port)
        until(lambda: sshd.logins() and "cannot reach" in daemon.log(), "the first fault")
        before = sshd.logins()
        until(lambda: sshd.logins() >= before + 3, "it tries again")
        check(daemon.log().count("cannot reach") == 1, f"not once: {daemon.log()}")
        check(f"cannot reach {HERE}: " in daemon.log() and "refused" in daemon.log(), daemon.log())
        sshd.settle(allowed=False)
        until(lambda: "Permission denied" in daemon.log(), "the second")
        sshd.settle()
        fake = Fake("serve", port)
        until(lambda: fake.watchers, "a watch")
        until(lambda: f"{HERE}: answers again" in daemon.log(), "the end of it")
        check(daemon.log().count("cannot reach") in (2, 3), f"too much: {daemon.log()}")
        check(daemon.stop() == 0, "its exit status")
        none_left()
        fake.close()


def script(work, text):
    """A program that is taken for ssh."""
    path = work / "ssh"
    path.write_text('#!/bin/sh\n[ "$1" = -V ] && exit\n' + text)
    path.chmod(0o755)
    return bound(path, SSH)


def fake_ssh(work):
    with case("ssh gets no more than it needs"):
        seen = work / "seen"
        with script(work, f'exec 3>{seen}\nprintf "%s\\n" "$@" >&3\n'
                          f'grep SigBlk: /proc/$$/status >&3\nls -l /proc/$$/fd >{seen}.fd\n'
                          f'cut -d" " -f1,6 /proc/$$/stat >&3\nexit 1\n'):
            usbiphp("list", "-p", "7", "ssh://me@pi.lan:77")
        words = seen.read_text().splitlines()
        check(words[-6:-2] == ["127.0.0.1:7", "me@pi.lan", "-p", "77"], f"arguments: {words}")
        check(words[0] == "-oBatchMode=yes" and words[-7] == "-W", f"arguments: {words}")
        check(int(words[-2].split()[1], 16) == 0, f"signals are blocked: {words[-2]}")
        pid, session = words[-1].split()
        check(pid == session, "it is in a session with others")
        files = [x.split(" -> ")[1] for x in (work / "seen.fd").read_text().splitlines()[1:]]
        check(sorted(x.partition(":")[0] for x in files if x[0] != "/") ==
              ["pipe", "socket", "socket"], f"open: {files}")
        check({x for x in files if x[0] == "/"} <= {str(seen), f"{seen}.fd", SSH}, f"open: {files}")

    with case("its words are made printable, and the last ones are kept"):
        with script(work, 'printf "x%.0s" $(seq 3000) >&2\n'
                          'printf "\\r\\n\\033[2J\\303\\244 evil\\r\\n" >&2\nexit 255\n'):
            fails(" ?[2J?? evil\n", HERE)

    with case("one who never ends his words"):
        with script(work, 'exec yes spam >&2\n'):
            fails("spam spam", HERE)

    with case("one who does nothing is ended"):
        with script(work, 'echo waiting >&2\nexec sleep 1000\n'):
            fails("waiting", HERE)
        check(not processes("sleep"), "it goes on")


def dropbear(work, sshd):
    empty = work / "empty"
    empty.write_text("")
    with bound(empty, SSH):
        server = Server(work / "small")
        with case("dropbear does as well"):
            done = usbiphp("list", "-p", str(server.port), "ssh://root@127.0.0.1")
            check(done.status == 0 and "1-1.2" in done.out, f"{done}")
        check(server.stop() == 0, "the server's exit status")
        with case("dropbear says what is wrong"):
            fails("Connection to root@127.0.0.1:22 closed", HERE, "-p", str(free_port()))
            fails("efused", f"{HERE}:{free_port()}")
            sshd.settle(host="other")
            fails("ost", HERE, "-p", str(free_port()))
            sshd.settle(allowed=False)
            fails("'s password:", HERE, "-p", str(free_port()))
            sshd.settle()
        watch_dropbear(work)
    with bound(empty, SSH, DROPBEAR):
        with case("without any ssh that is said"):
            fails("ssh: ", HERE)


def watch_dropbear(work):
    with case("a watch through dropbear, and a link that is silent"):
        fake = Fake("serve")
        daemon = client(work, "watch-small", 60, fake.port)
        until(lambda: fake.watchers, "a watch")
        fake.devices.append("1-1")
        fake.push()
        until(lambda: "1-1" in fake.imports, "1-1 is imported")
        until(lambda: len(clients()) == 1, f"one is left: {clients()}")
        check(daemon.stop() == 0, "its exit status")
        none_left()
        fake.close()


def test(work):
    sshd = Sshd(work)
    passwd, shadow = work / "passwd", work / "shadow"
    passwd.write_text(f"root:x:0:0::{sshd.home}:/bin/sh\n"
                      "sshd:x:102:65534::/run/sshd:/usr/sbin/nologin\n")
    shadow.write_text("root:*:19000:0:99999:7:::\n")
    bind(passwd, "/etc/passwd")
    bind(shadow, "/etc/shadow")
    os.environ["HOME"] = str(sshd.home)
    unpack("client-6.1.tree", work / "client-sys")
    lists(work)
    faults(sshd, str(free_port()))
    confined(work)
    watch(work, sshd)
    poll(work)
    trouble(work, sshd)
    fake_ssh(work)
    dropbear(work, sshd)
    with case("all ends as it should"):
        for daemon in Daemon.all:
            check(daemon.stop() == 0, f"an exit status: {daemon.log()[-300:]}")
    sshd.process.kill()
    sshd.process.wait()
    print(sshd.log.read_text(), file=sys.stderr)


def main():
    enter_namespaces()
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    os.mkdir("/run/sshd", 0o755)
    run_in_memory(test)


if __name__ == "__main__":
    main()

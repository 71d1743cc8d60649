#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""install.sh on OpenWrt, the services' scripts there, and the package directory.

There is no OpenWrt here. Everything runs in a root directory with busybox and stand-ins, which were
written for this test from OpenWrt's documentation and sources: rc.common and functions.sh beside this
file, and in this file procd (start, restart when a command has changed, respawn, TERM and then KILL) and
uci. The test shows that the scripts are right if OpenWrt behaves as documented; it does not show that
they run on a real OpenWrt. The kernel's files are a captured tree.
"""

import os
import pathlib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "vm"), str(ROOT / "tests")]

from fixture import unpack  # noqa: E402
from lab import case, check, finish  # noqa: E402

SERVICES = {"usbip-bind": "server", "usbip-attach": "client"}
DEADLINE = 60


def wait(what, condition, timeout=DEADLINE):
    deadline = time.monotonic() + timeout
    while not (found := condition()):
        check(time.monotonic() < deadline, f"not within {timeout} s: {what}")
        time.sleep(0.02)
    return found


class Uci:
    """The settings in /etc/config, and what is not yet written there."""

    def __init__(self, etc):
        self.etc, self.changed = etc, {}

    def read(self, package):
        sections, options = {}, None
        for line in (self.etc / package).read_text().splitlines():
            kind, *words = shlex.split(line, comments=True) or [""]
            if kind == "config":
                options = sections.setdefault(words[1], {"TYPE": words[0]})
            elif kind == "option":
                options[words[0]] = words[1]
            elif kind == "list":
                options.setdefault(words[0], []).append(words[1])
        return sections

    def load(self, package):
        """The shell's variables for it."""
        lines = []
        for section, options in self.read(package).items():
            for name, value in options.items():
                name = f"CONFIG_{section}_{name}"
                if isinstance(value, list):
                    lines.append(f"{name}_LENGTH={len(value)}")
                    lines += [f"{name}_ITEM{n}={shlex.quote(i)}" for n, i in enumerate(value, 1)]
                    value = " ".join(value)
                lines.append(f"{name}={shlex.quote(value)}")
        return 0, "\n".join(lines)

    def quoted(self, value):
        return "'" + value.replace("'", "'\\''") + "'"

    def commit(self, package):
        text = ""
        for section, options in self.changed.pop(package).items():
            text += f"\nconfig {options['TYPE']} {self.quoted(section)}\n"
            for name, value in options.items():
                for one in value if isinstance(value, list) else [value]:
                    kind = "list" if isinstance(value, list) else "option"
                    text += f"\t{kind} {name} {self.quoted(one)}\n" if name != "TYPE" else ""
        (self.etc / package).write_text(text)
        return 0, ""

    def command(self, *words):
        words = [word for word in words if word != "-q"]
        verb, (path, _, value) = words[0], words[1].partition("=")
        package, section, option = (path.split(".") + ["", ""])[:3]
        if not (self.etc / package).exists():
            return 1, ""
        if verb == "commit":
            return self.commit(package)
        sections = self.changed.setdefault(package, self.read(package))
        if verb == "show":
            return 0, "\n".join(f"{package}.{name}={i['TYPE']}" for name, i in sections.items())
        if verb == "set" and not option:
            sections[section] = {"TYPE": value}
            return 0, ""
        if section not in sections:
            return 1, ""
        if verb == "get":
            found = sections[section].get(option or "TYPE")
            return (0, found) if found else (1, "")
        if verb == "set":
            sections[section][option] = value
        elif verb == "add_list":
            sections[section].setdefault(option, []).append(value)
        elif verb == "delete":
            del sections[section]
        else:
            return 1, f"uci {verb} is not known here"
        return 0, ""


class Instance:
    """A process of a service, as procd keeps it."""

    def __init__(self, procd, params):
        self.procd, self.params, self.process = procd, params, None
        self.halt = self.again = False
        self.deadline = self.respawn_at = None

    def start(self):
        self.halt = self.again = False
        self.respawn_at = None
        read, write = os.pipe()
        self.process = subprocess.Popen(
            ["chroot", str(self.procd.root), *self.params["command"]], stdin=subprocess.DEVNULL,
            stdout=write if self.params.get("stdout") == ["1"] else subprocess.DEVNULL,
            stderr=write if self.params.get("stderr") == ["1"] else subprocess.DEVNULL)
        os.close(write)
        name = pathlib.Path(self.params["command"][0]).name
        threading.Thread(target=self.procd.log_lines, args=(read, name), daemon=True).start()
        for path in self.params.get("pidfile", []):
            (self.procd.root / path.lstrip("/")).write_text(f"{self.process.pid}\n")

    def running(self):
        return self.process is not None

    def stop(self, again):
        self.halt, self.again = True, again
        self.process.terminate()
        self.deadline = time.monotonic() + int(self.params.get("term_timeout", ["5"])[0])

    def update(self, params):
        changed, self.params = params["command"] != self.params["command"], params
        if not self.running():
            self.start()
        elif self.halt:
            self.again = True
        elif changed:
            self.stop(True)

    def look(self):
        """False when it is no more."""
        now = time.monotonic()
        if self.running():
            if self.process.poll() is None:
                if self.deadline and now > self.deadline:
                    self.procd.killed += 1
                    self.process.kill()
                    self.deadline = None
                return True
            self.process, self.deadline = None, None
            if self.halt:
                for path in self.params.get("pidfile", []):
                    (self.procd.root / path.lstrip("/")).unlink(missing_ok=True)
                if not self.again:
                    return False
                self.start()
                return True
            threshold, delay, retry = map(int, self.params["respawn"])
            check(retry == 0, "this one is given up after some time")
            self.respawn_at = now + delay
            self.procd.respawned += 1
        elif self.respawn_at and now > self.respawn_at:
            self.start()
        return True


class Procd(threading.Thread):
    """Answers what the scripts ask for, and keeps the services."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.box = root, root / "run/test"
        self.uci = Uci(root / "etc/config")
        self.services, self.triggers, self.lines = {}, {}, []
        self.killed = self.respawned = 0
        self.box.mkdir(parents=True)
        threading.Thread(target=self.syslog, daemon=True).start()
        self.start()

    def syslog(self):
        """What `logger` sends: <NUMBER>Mmm dd hh:mm:ss NAME: TEXT"""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            log.bind(str(self.root / "dev/log"))
            while True:
                self.lines.append(log.recv(4096).decode(errors="replace").rstrip("\0\n")[20:])

    def log_lines(self, fd, name):
        with open(fd, errors="replace") as lines:
            for line in lines:
                self.lines.append(f"{name}: {line.rstrip()}")

    def run(self):
        while True:
            for path in self.box.glob("*.request"):
                words = path.read_bytes().decode().split("\0")[:-1]
                path.unlink()
                try:
                    status, text = self.answer(*words)
                except Exception as error:  # for the script that asked
                    status, text = 97, repr(error)
                    print(f"{words}: {error!r}", file=sys.stderr)
                part = path.with_suffix(".part")
                part.write_text(f"{status}\n{text}{chr(10) if text else ''}")
                part.rename(path.with_suffix(".answer"))
            for name, instance in list(self.services.items()):
                if not instance.look():
                    del self.services[name]
            time.sleep(0.005)

    def answer(self, verb, *words):
        if verb == "load":
            return self.uci.load(*words)
        if verb == "uci":
            return self.uci.command(*words)
        if verb == "kill":
            if words[0] in self.services:
                self.services[words[0]].stop(False)
            return 0, ""
        return self.set(*words)

    def set(self, name, script, *words):
        words, params = list(words), None
        self.triggers[name] = []
        while words:
            kind = words.pop(0)
            if kind == "instance":
                params = {}
            elif kind == "trigger":
                self.triggers[name].append(words.pop(0))
            else:
                what, number = words.pop(0), int(words.pop(0))
                params[what] = words[:number]
                del words[:number]
        if params is None:
            if name in self.services:
                self.services[name].stop(False)
        elif name in self.services:
            self.services[name].update(params)
        else:
            self.services[name] = Instance(self, params)
            self.services[name].start()
        return 0, ""


class Router:
    """The root directory."""

    def __init__(self, root):
        self.root = root
        for name in ("bin", "sbin", "usr/bin", "usr/sbin", "lib", "proc", "dev", "run", "tmp", "root/usbiphp",
                     "etc/config", "etc/rc.d", "etc/init.d"):
            (root / name).mkdir(parents=True)
        shutil.copy("/bin/busybox", root / "bin")
        for applet in subprocess.check_output(["/bin/busybox", "--list-full"], text=True).split():
            if applet != "bin/busybox":
                (root / applet).symlink_to("/bin/busybox")
        (root / "var").symlink_to(".")
        (root / "etc/openwrt_release").write_text("DISTRIB_ID='OpenWrt'\n")
        shutil.copy(HERE / "rc.common", root / "etc")
        shutil.copy(HERE / "functions.sh", root / "lib")
        shutil.copy(HERE / "ask", root / "sbin/uci")
        for name in ("install.sh", "uninstall.sh"):
            shutil.copy(ROOT / name, root / "root/usbiphp")
        shutil.copytree(ROOT / "install", root / "root/usbiphp/install")
        shutil.copy(ROOT / "build/usbiphp", root / "root/usbiphp")
        for name, tree in (("sys", "host-6.1.tree"), ("sys-client", "client-6.1.tree")):
            (root / name).mkdir()
            unpack(tree, root / name)
        for name in ("dev/null", "dev/urandom"):
            subprocess.run(["touch", str(root / name)], check=True)
            subprocess.run(["mount", "--bind", f"/{name}", str(root / name)], check=True)
        subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
        self.procd = Procd(root)

    def sh(self, command):
        done = subprocess.run(["chroot", str(self.root), "/bin/sh", "-c", f"cd /root/usbiphp; {command}"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=180)
        return done.returncode, done.stdout

    def must(self, command):
        status, output = self.sh(command)
        check(status == 0, f"status {status} from {command}: {output}")
        return output

    def state(self):
        """All files, with their contents; without what changes by itself or is the test's own."""
        found = {}
        for top, directories, files in os.walk(self.root):
            here = pathlib.Path(top)
            if here == self.root:
                directories[:] = set(directories) - {"proc", "sys", "sys-client", "dev"}
            for path in (here / name for name in directories + files):
                found[str(path.relative_to(self.root))] = (
                    os.readlink(path) if path.is_symlink() else
                    path.read_bytes() if path.is_file() else "")
        return {name: data for name, data in found.items() if not name.startswith("run/test/")}

    def check_as(self, before):
        now = self.state()
        differs = [name for name in now.keys() | before.keys() if now.get(name) != before.get(name)]
        check(not differs, sorted(differs))

    def pid(self, service, other_than=None):
        """The process of a service, another than that."""
        def found():
            instance = self.procd.services.get(service)
            process = instance and instance.process
            return process and process.pid != other_than and process.pid
        return wait(f"another {service} than {other_than} runs", found)

    def arguments(self, service):
        pid = self.pid(service)
        path = pathlib.Path(f"/proc/{pid}/cmdline")
        role = SERVICES[service]
        wait("exec", lambda: path.read_bytes().startswith(f"/opt/usbip/usbiphp-{role}\0".encode()))
        return path.read_bytes().decode().split("\0")[1:-1]

    def check_arguments(self, service, *words):
        check(self.arguments(service) == list(words), self.arguments(service))

    def config(self, text):
        (self.root / "etc/config/usbiphp").write_text(text)

    def uci(self, package):
        return self.procd.uci.read(package)

    def logged(self, text, since=0):
        return [line for line in self.procd.lines[since:] if text in line]


def test_install(router, before):
    with case("without the module: the package that has it is named, opkg's way or apk's"):
        driver = router.root / "sys/bus/usb/drivers/usbip-host"
        driver.rename(driver.with_name("away"))
        status, output = router.sh("./install.sh server")
        check(status == 1 and "opkg install kmod-usbip-server" in output, output)
        apk = router.root / "usr/bin/apk"
        apk.symlink_to("/bin/true")
        status, output = router.sh("./install.sh client 10.0.0.1")
        check(status == 1 and "apk add kmod-usbip-client" in output, output)
        apk.unlink()
        driver.with_name("away").rename(driver)
        (router.root / "sys/bus/platform/drivers/vhci_hcd").mkdir(parents=True)
        router.check_as(before)

    with case("--dry-run changes nothing"):
        output = router.must("./install.sh --dry-run server -v && ./install.sh -n client 10.0.0.1")
        check("would enable usbip-attach" in output and "would install /etc/init.d/usbip-bind" in output, output)
        router.check_as(before)

    with case("install.sh: options become settings, and the daemon has them"):
        router.must("./install.sh server -vi5 --rule=deny -r 'allow class hid' --listen 127.0.0.1:3241 --dead-a 20")
        router.check_arguments("usbip-bind", "--interval", "5", "--dead-after", "20", "--rule", "deny", "--rule",
                               "allow class hid", "--verbose", "--listen", "127.0.0.1:3241")
        output = router.must("./install.sh client 10.0.0.1 --sysfs /sys-client -p 3241 10.0.0.2:3240")
        check("usbip-attach runs, now and after every boot" in output, output)
        router.check_arguments("usbip-attach", "--sysfs=/sys-client", "--port=3241", "10.0.0.1", "10.0.0.2:3240")
        check(router.uci("usbiphp")["server"] == {
            "TYPE": "server", "enabled": "1", "verbose": "1", "interval": "5", "dead_after": "20",
            "rule": ["deny", "allow class hid"], "listen": ["127.0.0.1:3241"]}, "other settings")

        check("mdns" not in router.procd.services["usbip-bind"].params, "it is announced with another port")
        check("mdns" not in router.procd.services["usbip-attach"].params, "the client is announced")

    with case("it is enabled, triggered by its settings, logged, kept at a firmware's upgrade"):
        for service, role in SERVICES.items():
            for link in (f"S95{service}", f"K10{service}"):
                check(os.readlink(router.root / "etc/rc.d" / link) == f"../init.d/{service}", link)
            check(router.procd.triggers[service] == ["usbiphp"], router.procd.triggers)
            wait("log", lambda r=role: router.logged(f"usbiphp-{r}: usbiphp-{r}: "))
        kept = (router.root / "lib/upgrade/keep.d/usbiphp").read_text().splitlines()
        now = router.state()
        new = {f"/{name}" for name in now if name not in before and now[name] != ""}
        lost = [name for name in new if not any(name == k or name.startswith(k + "/") for k in kept)]
        memory = ("/run", "/lib/usbiphp/places")  # what is in /var, lost at each boot
        check(not [i for i in lost if not i.startswith(memory)], lost)

    with case("install.sh again: a new daemon, the settings as they were"):
        text = (router.root / "etc/config/usbiphp").read_text()
        for service, role in SERVICES.items():
            old, arguments = router.pid(service), router.arguments(service)
            router.must(f"./install.sh {role}")
            check(router.pid(service) != old, f"{service}: the old daemon")
            router.check_arguments(service, *arguments)
        check((router.root / "etc/config/usbiphp").read_text() == text, "other settings")

    with case("a server with the usual port is announced, unless --no-announce is given"):
        settings, announced = router.uci("usbiphp")["server"], ["usbip", "tcp", "3240"]
        router.must("./install.sh server -v")
        check(router.procd.services["usbip-bind"].params.get("mdns") == announced, "it is not")
        for options in ("--no-announce", "", "--no-announce -v"):
            router.must(f"./install.sh server {options}")
            check("mdns" not in router.procd.services["usbip-bind"].params, f"{options}: it is")
            check(router.uci("usbiphp")["server"]["announce"] == "0", "no such setting")
        router.must("./install.sh server -i 5")
        check(router.procd.services["usbip-bind"].params.get("mdns") == announced, "it is not any more")
        router.must("./install.sh server -vi5 --rule=deny -r 'allow class hid' --listen 127.0.0.1:3241 --dead-a 20")
        check(router.uci("usbiphp")["server"] == settings, "other settings")

    with case("other options: killed, not stopped, so that what is in use stays in use"):
        since = len(router.procd.lines)
        router.must("./install.sh client 10.0.0.3 --sysfs /sys-client")
        router.check_arguments("usbip-attach", "--sysfs=/sys-client", "10.0.0.3")
        check(router.arguments("usbip-bind")[0] == "--interval", "the other role has changed")
        check(not router.logged("stopp", since), router.procd.lines[since:])


RIGHT = r"""
config server server
	option interval 7
	option rules /etc/rules
	list rule 'deny product "it'\''s * $HOME"'
	list rule deny
	option listen 127.0.0.1:3242
	option verbose off

config client 'client'
	list host '10.0.0.4'
	list option '--sysfs'
	list option '/sys-client'
"""


def test_services(router):
    script = "/etc/init.d/usbip-bind"
    words = ("--interval", "7", "--rule", """deny product "it's * $HOME\"""", "--rule", "deny", "--rules",
             "/etc/rules", "--listen", "127.0.0.1:3242")

    with case("reload with other settings: restarted with them, each word as it is"):
        (router.root / "etc/rules").write_text("deny\n")
        router.config(RIGHT)
        old, other = router.pid("usbip-bind"), router.pid("usbip-attach")
        router.must(f"{script} reload && /etc/init.d/usbip-attach reload")
        router.pid("usbip-bind", old)
        router.check_arguments("usbip-bind", *words)
        router.pid("usbip-attach", other)
        printed = router.must(f"{script} arguments")
        check(shlex.split(printed) == list(words), printed)

    with case("reload with the same settings: the rules are read again by the same daemon"):
        since, old = len(router.procd.lines), router.pid("usbip-bind")
        router.must(f"{script} reload")
        wait("the rules are read", lambda: router.logged("rules and keys reloaded", since))
        (router.root / "etc/rules").write_text("nonsense\n")
        status, output = router.sh(f"{script} reload")
        check(status != 0 and "/etc/rules:1" in output, output)
        (router.root / "etc/rules").write_text("deny\n")
        check(router.pid("usbip-bind") == old, "another daemon")

    with case("a wrong setting is said, and changes nothing that runs; a start with it is none"):
        since, old = len(router.procd.lines), router.pid("usbip-bind")
        router.config(RIGHT.replace("interval 7", "interval no"))
        status, output = router.sh(f"{script} reload")
        check(status != 0 and "not 'no'" in output, output)
        check(router.pid("usbip-bind") == old, "another daemon")
        router.sh(f"{script} restart")
        wait("it has ended", lambda: "usbip-bind" not in router.procd.services)
        wait("both are logged", lambda: len(router.logged("not 'no'", since)) == 2)
        check(router.procd.triggers["usbip-bind"] == ["usbiphp"], "no trigger")
        router.config(RIGHT)
        router.must(f"{script} reload")
        router.check_arguments("usbip-bind", *words)

    with case("kill -9: started again, for ever"):
        for _ in range(3):
            old = router.pid("usbip-bind")
            os.kill(old, signal.SIGKILL)
            router.pid("usbip-bind", old)
        router.check_arguments("usbip-bind", *words)

    with case("stop, start, restart, disabled and enabled again"):
        router.must(f"{script} stop")
        wait("it has ended", lambda: "usbip-bind" not in router.procd.services)
        check(not (router.root / "run/usbiphp").joinpath("bound").exists(), "something is bound")
        router.must(f"{script} start")
        old = router.pid("usbip-bind")
        router.must(f"{script} restart")
        router.pid("usbip-bind", old)
        router.config(RIGHT.replace("interval 7", "enabled 0"))
        router.must(f"{script} reload")
        wait("it has ended", lambda: "usbip-bind" not in router.procd.services)
        status, output = router.sh("./install.sh server")
        check(status == 1 and "it is disabled" in output, output)
        router.config(RIGHT)
        router.must(f"{script} reload")
        router.check_arguments("usbip-bind", *words)
        check(not router.procd.killed, "one did not end by itself")

    with case("a shutdown stops both"):
        for service in SERVICES:
            router.must(f"/etc/init.d/{service} shutdown")
            wait("it has ended", lambda s=service: s not in router.procd.services)
            router.must(f"/etc/init.d/{service} start")
            router.pid(service)


def test_uninstall(router, before):
    with case("uninstall.sh: one role, then the other; nothing is left"):
        (router.root / "etc/rules").unlink()
        router.config(RIGHT.replace("\toption rules /etc/rules\n", ""))
        router.must("/opt/usbip/uninstall.sh server")
        check("usbip-bind" not in router.procd.services and router.pid("usbip-attach"), "not one")
        check(list(router.uci("usbiphp")) == ["client"], router.uci("usbiphp"))
        router.must("./uninstall.sh")
        check(not router.procd.services, router.procd.services)
        router.check_as(before)
        router.must("./uninstall.sh")
        router.check_as(before)

    with case("what a package has put in place is left alone"):
        script = router.root / "etc/init.d/usbip-bind"
        script.write_text((ROOT / "install/procd/service").read_text().replace("/opt/usbip", "/usr/bin"))
        status, output = router.sh("./install.sh server")
        check(status == 1 and "package" in output, output)
        script.unlink()
        router.check_as(before)


def test_package(work):
    """The package directory, with stand-ins of what it includes."""
    version = next(line.split()[-1] for line in (ROOT / "Makefile").read_text().splitlines()
                   if line.startswith("VERSION"))
    for name in ("rules.mk", "package.mk"):
        shutil.copy(HERE / name, work)
    compiler = work / "musl-target-gcc"
    compiler.write_text("#!/bin/sh\nexec musl-gcc \"$@\" -idirafter /usr/include "
                        f"-idirafter /usr/include/{os.uname().machine}-linux-gnu\n")
    compiler.chmod(0o755)
    with tarfile.open(work / f"usbiphp-{version}.tar.gz", "w:gz") as tar:
        for path in sorted(ROOT.iterdir()):
            if path.name[0] != "." and path.name not in ("build", "tests"):
                tar.add(path, f"usbiphp-{version}/{path.name}")
    shutil.copytree(ROOT / "install/openwrt/usbiphp", work / "package")
    with case("the package directory builds the source, and three packages"):
        output = subprocess.run(["make", "-s", f"TOPDIR={work}", "all"], cwd=work / "package",
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, timeout=600, check=False).stdout
        packages = dict(line.removeprefix("PACKAGE ").split("|", 1) for line in output.splitlines()
                        if line.startswith("PACKAGE "))
        check(list(packages) == ["usbiphp", "usbiphp-server", "usbiphp-client"], output)
        check("/etc/config/usbiphp" in packages["usbiphp"], packages)
        for role in SERVICES.values():
            check(f"|+usbiphp +kmod-usbip-{role}|" in packages[f"usbiphp-{role}"], packages)
        program = work / "root/usbiphp/usr/bin/usbiphp"
        check(version in subprocess.check_output([program, "--version"], text=True), "another version")
        for service, role in SERVICES.items():
            root = work / f"root/usbiphp-{role}"
            text = (root / "etc/init.d" / service).read_text()
            check("\nPROGRAM=/usr/bin/usbiphp\n" in text and "/opt" not in text, text)
            check("\nUNMOUNT=/usr/lib/usbiphp/unmount.sh\n" in text, text)
            check(os.access(root / "etc/init.d" / service, os.X_OK), "no program")
            check(os.readlink(root / f"usr/bin/usbiphp-{role}") == "usbiphp", "no link")
        check(os.access(work / "root/usbiphp-client/usr/lib/usbiphp/unmount.sh", os.X_OK), "no program")
        settings = Uci(work / "root/usbiphp/etc/config").read("usbiphp")
        check(settings == {"server": {"TYPE": "server", "enabled": "1"},
                           "client": {"TYPE": "client", "enabled": "0"}}, settings)


def main():
    if sys.argv[1:] != ["inside"]:
        os.execvp("unshare", ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
                              sys.executable, __file__, "inside"])
    pathlib.Path("/proc/self/comm").write_text("procd\n")
    subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)
    pathlib.Path("/proc/self/comm").write_text("procd\n")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as directory, case("the test ran to its end"):
        work = pathlib.Path(directory)
        (work / "build").mkdir()
        router = Router(work / "root")
        try:
            wait("the log", (work / "root/dev/log").exists)
            before = router.state()
            test_install(router, before)
            test_services(router)
            test_uninstall(router, before)
        finally:
            for name in ("proc", "dev/null", "dev/urandom"):
                subprocess.run(["umount", "-l", str(work / "root" / name)], check=False)
    with tempfile.TemporaryDirectory() as directory, case("the test of the package ran to its end"):
        test_package(pathlib.Path(directory))
    finish()


if __name__ == "__main__":
    main()

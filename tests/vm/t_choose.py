#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The choices that users have, on real kernels: rules on both sides, names, held devices, hooks."""

import hashlib
import os
import pathlib
import sys
import tempfile

import lab
from lab import case, check
from t_main import FILES, ROOT, RUN, STATES, STUB, VHCI, World

STICK, KEYBOARD = "2-1", "1-2"  # where they are plugged in at the host: super and high speed
RULES = "/tmp/rules"
HOOK = ROOT / "install" / "hooks" / "large-commands"


class Choosing(World):
    """Two guests with a stick and a keyboard at the host."""

    def plug(self):
        self.host.plug("stick", "usb-storage", image=self.stick, serial="STICK", port="1")
        self.host.plug("keyboard", "usb-kbd", port="2")
        self.host.wait("test -b /dev/sda && ls -d /sys/bus/usb/drivers/usbhid/*:1.0")

    def begin(self, server="", client=""):
        """Both daemons, with new logs."""
        for guest in (self.host, self.client):
            guest.must("rm -f /tmp/server.log /tmp/client.log")
        self.serve(f"-i 1 {server}")
        self.attach("host", f"-i 1 {client}")

    def end(self):
        self.stop(self.client, "usbiphp-client")
        self.stop(self.host, "usbiphp-server")
        self.host.wait("test -b /dev/sda && ls -d /sys/bus/usb/drivers/usbhid/*:1.0")

    @staticmethod
    def hup(guest, name):
        guest.must(lab.kill(name, "HUP"))

    def rules(self, guest, *lines):
        text = "\n".join(lines)
        guest.must(f"cat >{RULES} <<'EOF'\n{text}\nEOF")

    def exported(self, *busids):
        """Exactly these are bound."""
        self.host.wait(f"test \"$(ls -d {STUB}/*-* {RUN}/holder.* 2>/dev/null | sed 's,.*[/.],,' | sort | "
                       f"xargs)\" = '{' '.join(sorted(busids))}'")

    def has(self, *vendors):
        """Exactly these are attached, and usable."""
        self.client.wait("test \"$(cat /sys/devices/platform/vhci_hcd.*/usb*/*-*/idVendor "
                         f"2>/dev/null | sort | xargs)\" = '{' '.join(sorted(vendors))}'", 60)
        self.attached(len(vendors))

    def steady(self, guest, name):
        """A few passes more change nothing of what is checked next."""
        for _ in range(4):
            self.hup(guest, name)
            guest.must("usleep 100000")

    def said(self, guest, name, text, times=1):
        guest.wait(f"grep -q '{text}' /tmp/{name}.log")
        count = guest.must(f"grep -c '{text}' /tmp/{name}.log").strip()
        check(int(count) == times, f"'{text}' was said {count} times, not {times}")

    def port(self, vendor):
        """The vhci port of a device at the client."""
        return int(self.client.wait(
            f"for i in /sys/devices/platform/vhci_hcd.*/usb*/*-*; do grep -q {vendor} $i/idVendor "
            f"2>/dev/null && awk -v b=${{i##*/}} '$NF == b {{ print $2; exit }}' {VHCI} && exit; "
            "done; false"))


STORAGE, HID = "46f4", "0627"  # vendors, as QEMU has them


def server_rules(w):
    forms = {"class hid": "class hid", "class 03": "class 03", "id": "id 0627:*",
             "busid": f"busid {KEYBOARD}", "busid glob": "busid '1-?'",
             "product": "product '*keyboard*'", "serial": "serial '68284*'"}
    w.host.must(f"usleep 1; cat /sys/bus/usb/devices/{KEYBOARD}/product")
    serial = w.host.sh(f"cat /sys/bus/usb/devices/{KEYBOARD}/serial")[1].strip()
    forms["serial"] = f"serial '{serial[:3]}*'" if serial else "serial ''"
    for name, form in forms.items():
        with case(f"server: deny {name}"):
            rule = "deny " + form.replace("'", '"')
            w.host.must(f"rm -f /tmp/server.log; usbiphp-server -i 1 -r '{rule}' "
                        ">>/tmp/server.log 2>&1 &")
            w.exported(STICK)
            w.said(w.host, "server", f"{KEYBOARD} .*: left alone: denied by --rule 1")
            w.steady(w.host, "usbiphp-server")
            w.exported(STICK)
            w.said(w.host, "server", "denied by")
            w.stop(w.host, "usbiphp-server")

    with case("server: the first that matches decides"):
        w.host.must("usbiphp-server -i 1 -r 'allow serial STICK' -r deny >>/tmp/server.log 2>&1 &")
        w.exported(STICK)
        w.stop(w.host, "usbiphp-server")

    with case("server: a dry run says what would be, and touches nothing"):
        w.host.wait("test -b /dev/sda && ls -d /sys/bus/usb/drivers/usbhid/*:1.0")
        before = w.host.must("ls -R /sys/bus/usb/drivers/*/ /run/usbiphp /etc 2>&1; lsmod")
        said = w.host.must("usbiphp-server --dry-run -r 'deny class hid'")
        lines = {x.split()[0]: x for x in said.splitlines()}
        check("would be exported" in lines.get(STICK, ""), said)
        check("would be left alone: denied by --rule 1" in lines.get(KEYBOARD, ""), said)
        after = w.host.must("ls -R /sys/bus/usb/drivers/*/ /run/usbiphp /etc 2>&1; lsmod")
        changed = set(before.splitlines()) ^ set(after.splitlines())
        check(not changed, f"it touched something: {changed}")


def changed_rules(w):
    with case("server: a device in use that a changed file denies is let go safely"):
        w.rules(w.host, "# nothing is denied yet")
        w.begin(f"-f {RULES}")
        w.has(STORAGE, HID)
        w.rules(w.host, "deny class storage")
        w.hup(w.host, "usbiphp-server")
        w.exported(KEYBOARD)
        w.host.wait("test -b /dev/sda")
        w.has(HID)
        w.said(w.host, "server", f"{STICK} .*: to be given back: denied by {RULES}:1")

    with case("server: a file with a mistake is refused whole, the rules in force stay"):
        w.rules(w.host, "allow class storage", "# and now", "deny clas hid")
        w.hup(w.host, "usbiphp-server")
        w.said(w.host, "server", f"{RULES}:3")
        w.steady(w.host, "usbiphp-server")
        w.exported(KEYBOARD)
        w.has(HID)
        w.host.must(f"rm {RULES}; mkdir {RULES}")
        w.hup(w.host, "usbiphp-server")
        w.said(w.host, "server", "a directory")
        w.exported(KEYBOARD)
        w.host.must(f"rmdir {RULES}")

    with case("server: what is allowed again is back"):
        w.rules(w.host, "allow")
        w.hup(w.host, "usbiphp-server")
        w.exported(STICK, KEYBOARD)
        w.has(STORAGE, HID)
        w.same_stick()

    with case("server: who asks: a client that is denied sees and gets nothing"):
        w.rules(w.host, "deny class hid to 10.0.0.0/24", "deny class storage to 10.9.0.0/16")
        w.hup(w.host, "usbiphp-server")
        w.has(STORAGE)
        w.exported(STICK, KEYBOARD)
        listed = w.client.must("usbiphp list host; usbip list -r host 2>/dev/null")
        check(HID not in listed, listed)
        code, said = w.client.sh(f"usbip attach -r host -b {KEYBOARD} 2>&1")
        check(code, "the stock client got what it may not have")
        check(w.host.must(f"{STATES} | sort | xargs").split() == ["1", "2"], said)
        w.rules(w.host, "allow to 10.0.0.2", "deny to ::/0", "deny to 0.0.0.0/0")
        w.hup(w.host, "usbiphp-server")
        w.has(STORAGE, HID)
        w.end()


def client_rules(w):
    for name, rule, left in (("class", "deny class hid", (STORAGE,)),
                             ("id", "deny id *:0001", ()),
                             ("busid", f"deny busid {STICK}", (HID,)),
                             ("serial", "deny serial STICK", (HID,)),
                             ("product", "deny product \"*KEYBOARD\"", (STORAGE,)),
                             ("from", "deny from ho*", ()),
                             ("from, with its port", "deny from host:*", ()),
                             ("another server", "deny from other", (STORAGE, HID))):
        with case(f"client: deny, {name}"):
            w.begin(client=f"-r '{rule}'")
            w.exported(STICK, KEYBOARD)
            w.client.wait("test -f /var/run/usbiphp/client.lock")
            w.has(*left)
            for _ in range(2 - len(left)):
                w.client.wait("grep -q ': left alone: ' /tmp/client.log")
            w.steady(w.client, "usbiphp-client")
            w.has(*left)
            w.end()


def client_rules_at_usbipd(w):
    with case("client: only the serial number that is allowed, at the stock usbipd"):
        w.host.must("modprobe usbip-host; usbipd -D; "
                    f"usbip bind -b {STICK}; usbip bind -b {KEYBOARD}")
        w.client.must("rm -f /tmp/client.log")
        w.attach("host", "-i 1 -r 'allow serial STICK' -r deny")
        w.has(STORAGE)
        w.same_stick()
        w.said(w.client, "client", f"{KEYBOARD} .*: left alone: denied by --rule 2")
        w.stop(w.client, "usbiphp-client")

    with case("client: a class at the stock usbipd, whose list has no interfaces"):
        w.client.must("rm -f /tmp/client.log")
        w.attach("host", "-i 1 -r 'deny class storage'")
        w.has(HID)
        w.said(w.client, "client", f"{STICK} .*: left alone: denied by --rule 1")
        w.stop(w.client, "usbiphp-client")
        w.host.must(f"usbip unbind -b {STICK}; usbip unbind -b {KEYBOARD}; kill $(pidof usbipd)")
        w.host.wait("! pidof usbipd")

    with case("client: a changed file detaches, and attaches again"):
        w.rules(w.client, "allow")
        w.begin(client=f"-f {RULES}")
        w.has(STORAGE, HID)
        w.rules(w.client, "deny serial ST*")
        w.hup(w.client, "usbiphp-client")
        w.has(HID)
        w.said(w.client, "client", f"{STICK} .*: left alone: denied by {RULES}:1")
        w.rules(w.client, "deny serial ST*", "nonsense")
        w.hup(w.client, "usbiphp-client")
        w.said(w.client, "client", f"{RULES}:2")
        w.has(HID)
        w.rules(w.client, "deny serial XX*")
        w.hup(w.client, "usbiphp-client")
        w.has(STORAGE, HID)

    with case("client: rules of one that takes over what another one attached"):
        sessions = w.sessions()
        w.client.must(lab.kill("usbiphp-client", "KILL"))
        w.client.wait("! pidof usbiphp-client")
        w.rules(w.client, "allow serial STICK", "deny")
        w.attach("host", f"-i 1 -f {RULES}")
        w.has(STORAGE)
        check(any(x in sessions for x in w.sessions().splitlines()), "the stick's session is another")
        w.end()


def identity(w):
    with case("the same port again, after others came and went"):
        w.begin()
        w.has(STORAGE, HID)
        stick, keyboard = w.port(STORAGE), w.port(HID)
        w.host.unplug("keyboard")
        w.has(STORAGE)
        w.host.plug("mouse", "usb-mouse", port="3")
        w.attached(2)
        w.host.plug("keyboard", "usb-kbd", port="2")
        w.attached(3)
        w.host.unplug("mouse")
        w.has(STORAGE, HID)
        check(w.port(HID) == keyboard, f"the keyboard is at {w.port(HID)}, not {keyboard}")
        check(w.port(STORAGE) == stick, "the stick has moved")

    with case("two sticks with one serial number are told apart"):
        twin = w.stick.with_name("twin.img")
        twin.write_bytes(bytes(4 << 20))
        w.host.plug("twin", "usb-storage", image=twin, serial="STICK", port="4")
        w.has(STORAGE, STORAGE, HID)
        said = w.client.must("usbiphp detach host/2-4 2>&1")
        check("46f4:0001@host/2-4" in said, said)
        w.has(STORAGE, HID)
        w.steady(w.client, "usbiphp-client")
        w.has(STORAGE, HID)
        w.same_stick()
        w.client.must("usbiphp attach 46f4:0001@host/2-4")
        w.has(STORAGE, STORAGE, HID)

    with case("they keep their ports over a restart of the client"):
        w.stop(w.client, "usbiphp-client")
        w.free(3)
        w.client.must("rm /var/lib/usbiphp/places")
        w.rules(w.client, f"deny busid {STICK}", "allow")  # so that the second one comes first
        w.attach("host", f"-i 1 -f {RULES}")
        w.has(STORAGE, HID)
        w.rules(w.client, "allow")
        w.hup(w.client, "usbiphp-client")
        w.has(STORAGE, STORAGE, HID)
        records = f"awk '{{ print FILENAME, $1, $2, $3 }}' {RUN}/port*"
        before = w.client.must(records)
        w.stop(w.client, "usbiphp-client")
        w.free(3)
        w.attach("host", f"-i 1 -f {RULES}")
        w.has(STORAGE, STORAGE, HID)
        check(w.client.must(records) == before, f"other ports than {before}")
        w.host.unplug("twin")
        w.has(STORAGE, HID)
        w.end()


def swapped_at_usbipd(w):
    with case("a stick that was swapped for its like since the list is asked what it is"):
        other = w.stick.with_name("other.img")
        other.write_bytes(os.urandom(4 << 20))
        w.rules(w.client, "deny class storage")
        # The stock server pushes no list, so the client's is as old as its interval.
        w.host.must("modprobe usbip-host; usbipd -D; "
                    f"usbip bind -b {STICK} && usbip bind -b {KEYBOARD}")
        w.client.must("rm -f /tmp/client.log")
        w.attach("host", f"-i 30 -f {RULES}")
        w.has(HID)
        w.client.wait(f"grep -q '{STICK} .*: left alone: ' /tmp/client.log")
        w.host.unplug("stick")
        w.host.plug("stick", "usb-storage", image=other, serial="OTHER", port="1")
        w.host.wait("test -b /dev/sda")
        w.host.must(f"usbip bind -b {STICK}")
        w.rules(w.client, "allow")
        w.hup(w.client, "usbiphp-client")
        w.has(STORAGE, HID)
        digest = w.client.must(f"sha256sum {w.disk()}", 60).split()[0]
        check(digest == hashlib.sha256(other.read_bytes()).hexdigest(), "neither stick")
        w.stop(w.client, "usbiphp-client")
        w.host.must(f"usbip unbind -b {STICK}; usbip unbind -b {KEYBOARD}; kill $(pidof usbipd)")
        w.host.wait("! pidof usbipd")


def swapped(w):
    with case("a stick that was swapped for its like while the server slept is the new one"):
        w.rules(w.client, "deny class storage")
        w.begin(client=f"-f {RULES}")
        w.has(HID)
        w.client.wait(f"grep -q '{STICK} .*: left alone: ' /tmp/client.log")
        number = f"$(cat /sys/bus/usb/devices/{STICK}/devnum)"
        before = w.host.must(f"echo {number}").strip()
        w.host.must(lab.kill("usbiphp-server", "STOP"))
        w.host.unplug("stick")
        w.host.plug("stick", "usb-storage", image=w.stick, serial="STICK", port="1")
        if lab.USBFS:
            w.host.wait(f"test {number} != {before}")
        else:
            w.host.wait("test -b /dev/sda")
            w.host.must(f"usbip bind -b {STICK}")
        w.rules(w.client, "allow")
        w.hup(w.client, "usbiphp-client")
        w.host.wait("awk '$2 ~ /:0CA8$/ && $4 == \"01\" && $10 == 0' /proc/net/tcp | grep -q .")
        w.host.must(lab.kill("usbiphp-server", "CONT"))
        w.has(STORAGE, HID)
        w.same_stick()
        w.end()


def held_at_client(w):
    with case("usbiphp detach PORT: it stays off, also over restarts and in another socket"):
        w.begin()
        w.has(STORAGE, HID)
        said = w.client.must(f"usbiphp detach {w.port(STORAGE)} 2>&1")
        check("46f4:0001/STICK is held" in said, said)
        w.has(HID)
        w.steady(w.client, "usbiphp-client")
        w.has(HID)
        w.stop(w.client, "usbiphp-client")
        w.attach("host", "-i 1")
        w.has(HID)
        w.host.unplug("stick")
        w.host.plug("stick", "usb-storage", image=w.stick, serial="STICK", port="3")
        w.exported("2-3", KEYBOARD)
        w.client.wait("grep -q '2-3 .*: left alone: it is held' /tmp/client.log")
        w.has(HID)
        status = w.client.must("usbiphp status")
        check("46f4:0001/STICK" in status, status)

    with case("usbiphp attach NAME: it is back"):
        w.client.must("usbiphp attach STICK")
        w.has(STORAGE, HID)
        w.same_stick()
        w.client.must("test ! -e /etc/usbiphp/held.client")

    with case("usbiphp detach without a daemon"):
        w.client.must(lab.kill("usbiphp-client", "KILL"))
        w.client.wait("! pidof usbiphp-client")
        w.client.must("usbiphp detach host/2-3")
        w.attached(1)
        w.attach("host", "-i 1")
        w.has(HID)
        w.client.must("usbiphp attach 46f4:0001/STICK")
        w.has(STORAGE, HID)

    with case("what nobody has is refused with a line"):
        for verb in ("detach", "attach", "release", "bind"):
            code, said = w.client.sh(f"usbiphp {verb} nobody 2>&1")
            check(code == 1 and said.count("\n") == 1 and "nobody" in said, said)
        w.host.unplug("stick")
        w.host.plug("stick", "usb-storage", image=w.stick, serial="STICK", port="1")
        w.has(STORAGE, HID)
        w.end()


def held_at_server(w):
    with case("usbiphp release BUSID of a device in use: it is back with its driver, and stays"):
        w.begin()
        w.has(STORAGE, HID)
        said = w.host.must(f"usbiphp release {STICK} 2>&1")
        check("46f4:0001/STICK" in said, said)
        w.host.wait("test -b /dev/sda")
        w.has(HID)
        w.stop(w.host, "usbiphp-server")
        w.serve("-i 1")
        w.has(HID)
        w.exported(KEYBOARD)
        w.host.unplug("stick")
        w.host.plug("stick", "usb-storage", image=w.stick, serial="STICK", port="1")
        w.host.wait("test -b /dev/sda")
        w.steady(w.host, "usbiphp-server")
        w.exported(KEYBOARD)
        status = w.host.must("usbiphp status; usbiphp list")
        check("46f4:0001/STICK" in status and "held" in status, status)

    with case("usbiphp bind: it is exported again"):
        w.host.must(f"usbiphp bind {STICK}")
        w.has(STORAGE, HID)
        w.same_stick()

    with case("usbiphp release without a daemon"):
        w.host.must(lab.kill("usbiphp-server", "KILL"))
        w.host.wait("! pidof usbiphp-server")
        w.host.must(f"usbiphp release {KEYBOARD} 2>&1")
        w.host.must("ls -d /sys/bus/usb/drivers/usbhid/*:1.0")
        w.serve("-i 1")
        w.exported(STICK)
        w.host.must(f"usbiphp bind {KEYBOARD}")
        w.has(STORAGE, HID)
        w.end()


def hooks(w):
    with case("hooks of both sides hear of it"):
        for guest in (w.host, w.client):
            guest.must("mkdir -p /etc/usbiphp/hooks.d; cd /etc/usbiphp/hooks.d; "
                       "echo '#!/bin/sh' >note; echo 'env | grep ^USBIPHP_ | sort | xargs >>/tmp/hooked' "
                       ">>note; chmod 755 note; rm -f /tmp/hooked")
        w.begin()
        w.has(STORAGE, HID)
        w.host.wait(f"grep -q 'USBIPHP_BUSID={STICK} USBIPHP_EVENT=bound.*USBIPHP_ID=46f4:0001' "
                    "/tmp/hooked")
        w.client.wait(f"grep 'USBIPHP_BUSID={STICK} USBIPHP_DEVICE=[0-9-]* USBIPHP_EVENT=attached' "
                      "/tmp/hooked | grep -q USBIPHP_SERVER=host:3240")
        w.host.unplug("keyboard")
        w.client.wait("grep -q 'USBIPHP_EVENT=detached.*USBIPHP_ID=0627:0001' /tmp/hooked")
        w.host.plug("keyboard", "usb-kbd", port="2")
        w.has(STORAGE, HID)

    with case("a hook of the product: a disk takes larger commands"):
        w.client.must("cp /bin/large-commands /etc/usbiphp/hooks.d/")
        w.host.unplug("stick")
        w.has(HID)
        w.host.plug("stick", "usb-storage", image=w.stick, serial="STICK", port="1")
        w.has(STORAGE, HID)
        w.client.wait("cd /sys/block/sda && test \"$(cat device/max_sectors queue/max_sectors_kb queue/read_ahead_kb | "
                      "xargs)\" = '2048 1024 4096'")
        w.client.must("rm /etc/usbiphp/hooks.d/large-commands")

    with case("a hook that hangs holds nothing up"):
        w.client.must("echo 'exec sleep 1000' >>/etc/usbiphp/hooks.d/note")
        w.host.unplug("keyboard")
        w.has(STORAGE)
        w.host.plug("keyboard", "usb-kbd", port="2")
        w.has(STORAGE, HID)
        w.client.must("sed -i '$d' /etc/usbiphp/hooks.d/note; kill $(pidof sleep)")
        w.end()
        w.host.must("grep -q 'USBIPHP_EVENT=released' /tmp/hooked; rm -r /etc/usbiphp")
        w.client.must("rm -r /etc/usbiphp")


def doctor(w):
    with case("doctor: all is well on both sides, and the server tells changes"):
        w.begin()
        w.has(STORAGE, HID)
        said = w.host.must("usbiphp doctor")
        check("BAD" not in said and "usbip-host" in said, said)
        said = w.client.must("usbiphp doctor host")
        check("BAD" not in said and "host:3240: exports 0 devices, reports changes" in said, said)

    with case("doctor: hooks that others may write, with the command that mends it"):
        w.host.must("mkdir -p /etc/usbiphp/hooks.d; cd /etc/usbiphp/hooks.d; touch x; chmod 777 x")
        code, said = w.host.sh("usbiphp doctor")
        check(code == 1 and "chmod" in said, said)
        w.host.must("rm -r /etc/usbiphp")

    with case("doctor: a server that is gone"):
        w.stop(w.host, "usbiphp-server")
        code, said = w.client.sh("usbiphp doctor host")
        check(code == 1 and "BAD     host:3240" in said and "Connection refused" in said, said)
        w.serve("-i 1")
        w.has(STORAGE, HID)
        w.end()


PARTS = (server_rules, changed_rules, client_rules, identity, swapped, held_at_client, held_at_server, hooks,
         doctor) + (() if lab.USBFS else (client_rules_at_usbipd, swapped_at_usbipd))


def test(kernel, workdir, parts=PARTS):
    with lab.pair(kernel, workdir, files=FILES | {"/bin/large-commands": HOOK}) as (host, client):
        if not lab.USBFS:
            host.must("modprobe usbip-host")
        client.must("modprobe vhci-hcd")
        w = Choosing(host, client, workdir)
        w.plug()
        for part in parts:
            part(w)
        with case("the kernels have nothing to complain about"):
            for guest in (host, client):
                check(not guest.kernel_complaints(), f"{guest.name}: {guest.kernel_complaints()}")
        if lab.results["not ok"]:
            for guest in (host, client):
                print(w.log(guest), guest.sh("dmesg | tail -40")[1], file=sys.stderr)


if __name__ == "__main__":
    version = sys.argv[1] if sys.argv[1:] else "6.1"
    chosen = [p for p in PARTS if p.__name__ in sys.argv[2:]] or PARTS
    with tempfile.TemporaryDirectory() as directory, case("ran to its end"):
        test(version, pathlib.Path(directory), chosen)
    lab.finish()

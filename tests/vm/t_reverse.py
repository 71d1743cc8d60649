#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A server that connects to its client (--to, --accept) on real kernels: nobody can connect to the server."""

import json

import lab
from lab import case, check
from t_main import FILES, RUN, World
from t_secure import lose_module

FREED = 30
KEY = "lab:" + "0123456789abcdef" * 4
OTHER = "other:" + "fedcba9876543210" * 4
PORT = 3241
RELAY = "@usbiphp-tls"
# What the client calls it.
NAME = f"lab:{PORT}"


class Reverse(World):
    server = f"--psk /tmp/key -i 1 -l 127.0.0.1 --to 10.0.0.2:{PORT}"
    client_options = f"--psk /tmp/key -i 1 --accept {PORT}"
    engine = ""

    def dial(self, options=""):
        self.serve(f"{self.server} {self.engine} {options}")

    def accept(self, options="", servers=""):
        self.attach(servers, f"{self.client_options} {options}")

    def stop_both(self):
        self.stop(self.client, "usbiphp-client")
        self.stop(self.host, "usbiphp-server")
        for guest in (self.host, self.client):
            guest.must(f"! test -e {RUN}")
        self.host.wait("! pidof usbiphp-dialer")
        self.host.must("rm /tmp/server.log")
        self.client.must("rm /tmp/client.log")

    def said(self, guest, words, timeout=60):
        name = "server" if guest is self.host else "client"
        guest.wait(f"grep -q '{words}' /tmp/{name}.log", timeout)

    def spare(self, timeout=60):
        """One connection that waits, besides the watch and those of the devices."""
        self.client.wait(f"test $(netstat -tn | grep -c ':{PORT} .*ESTABLISHED') = "
                         f"$(($(grep -hE '^(hs|ss) +[0-9]+ 006' /sys/devices/platform/vhci_hcd.0/status* | "
                         "wc -l) + 2))", timeout)


def usable(w):
    with case("the server comes first, and waits for its client"):
        w.host.plug("stick", "usb-storage", image=w.stick, serial="STICK")
        w.host.plug("keyboard", "usb-kbd")
        w.dial()
        w.said(w.host, f"cannot reach 10.0.0.2:{PORT}: Connection refused")
        w.accept()
        w.attached(2, 120)
        w.same_stick()
        w.write()

    with case("nobody has connected to the server, and one more connection is ready"):
        check(":3240" not in w.client.must("netstat -tn"), "the client has connected")
        w.spare()

    with case("status and `usbip port` say where they come from"):
        text = w.client.must("usbiphp status")
        check(text.count(" lab ") == 2, text)
        text = w.client.must("usbip port 2>/dev/null")
        check(text.count(f"usbip://{NAME}/") == 2, text)
        w.host.wait("test $(usbiphp status | grep -c 'in use by 10.0.0.2') = 2")

    with case("what is unplugged goes, what is plugged in comes"):
        w.host.unplug("keyboard")
        w.attached(1)
        w.host.plug("keyboard", "usb-kbd")
        w.attached(2)
        w.spare()

    with case("four more at once are all there"):
        for i in range(4):
            w.host.plug(f"mouse{i}", "usb-mouse")
        w.attached(6, 120)
        for i in range(4):
            w.host.unplug(f"mouse{i}")
        w.attached(2, 120)


def killed(w):
    with case("a client that is killed leaves the devices, the next one takes them over"):
        was = w.sessions()
        w.client.must(lab.kill("usbiphp-client", "KILL"))
        w.client.wait("! pidof usbiphp-client")
        w.same_stick()
        w.accept()
        w.spare()
        check(w.sessions() == was, "they were attached anew")
        w.host.unplug("keyboard")
        w.attached(1)
        w.host.plug("keyboard", "usb-kbd")
        w.attached(2)

    with case("so does a server"):
        w.client.must("! grep -q 'no longer configured' /tmp/client.log")
        w.host.must(lab.kill("usbiphp-server", "KILL"))
        w.host.wait("! pidof usbiphp-server usbiphp-dialer")
        w.same_stick()
        w.dial()
        w.spare(120)
        w.host.wait("test $(usbiphp status | grep -c 'in use by 10.0.0.2') = 2")
        w.same_stick()

    with case("a process that connects and is killed is said, the rest goes on"):
        w.host.must(lab.kill("usbiphp-dialer", "KILL"))
        w.said(w.host, f"usbiphp-dialer for 10.0.0.2:{PORT} has ended: restart the server")
        w.same_stick()
        w.stop(w.host, "usbiphp-server")
        w.attached(0)
        w.dial()
        w.attached(2, 120)


def cable(w):
    with case("the cable is pulled: the devices are freed on both sides"):
        w.client.link(False)
        w.attached(0, FREED)
        w.free(2, FREED)

    with case("the cable is in again: so are the devices"):
        w.client.link(True)
        w.attached(2, 180)
        w.same_stick()
        log = w.log(w.client)
        check(log.count(f"cannot reach {NAME}") <= 3, f"too many words:\n{log}")


def keys(w):
    with case("a server with a key that the client does not know is told so, and so is the client"):
        w.stop_both()
        w.host.must(f"echo {OTHER} >/tmp/other; chmod 600 /tmp/other")
        w.accept()
        w.serve(w.server.replace("/tmp/key", "/tmp/other"))
        w.said(w.client, "10.0.0.1: connection refused: there is no key other")
        w.said(w.host, f"10.0.0.2:{PORT}: does not take the connection: has it --accept, and this key?")
        w.stop(w.host, "usbiphp-server")

    with case("a wrong key of the right name is refused by both"):
        w.host.must(f"sed 's/^other/lab/' /tmp/other >/tmp/wrong; chmod 600 /tmp/wrong; rm /tmp/server.log")
        w.serve(w.server.replace("/tmp/key", "/tmp/wrong"))
        w.said(w.host, "10.0.0.2: connection refused: ")
        w.stop(w.host, "usbiphp-server")

    with case("the key is there after a reload: the devices come"):
        w.client.must(f"echo {OTHER} >>/tmp/key; {lab.kill('usbiphp-client', 'HUP')}")
        w.said(w.client, "rules and keys reloaded")
        w.serve(w.server.replace("/tmp/key", "/tmp/other"))
        w.attached(2, 120)
        check(f"usbip://other:{PORT}/" in w.client.must("usbip port 2>/dev/null"), "another name")
        w.client.must("grep -v other /tmp/key >/tmp/new; chmod 600 /tmp/new; mv /tmp/new /tmp/key")
        w.stop_both()

    with case("without keys neither starts"):
        for program, option in (("server", "--to x"), ("client", "--accept 1234")):
            status, text = w.host.sh(f"usbiphp-{program} {option} 2>&1")
            check(status == 2 and "needs --psk" in text, f"{status}: {text}")

    with case("a port that is in use is said in one line"):
        w.client.must(f"nc -l -p {PORT} 127.0.0.1 >/dev/null 2>&1 </dev/zero & ")
        w.client.wait(f"netstat -tln | grep -q :{PORT}")
        status, text = w.client.sh(f"usbiphp-client {w.client_options} 2>&1")
        check(status == 1 and text.strip().endswith(f"cannot listen on [::]:{PORT}: Address in use"),
              f"{status}: {text}")
        w.client.must(lab.kill("nc"))


def moved(w):
    def name(address):
        """As a program does that replaces the file."""
        w.host.must(f"grep -v roam /etc/hosts >/etc/new; echo {address} roam >>/etc/new; mv /etc/new /etc/hosts")

    with case("a client whose name moves is found where it is"):
        name("10.0.0.9")  # there is nobody
        w.serve(w.server.replace("10.0.0.2", "roam"))
        w.accept()
        w.said(w.host, f"cannot reach roam:{PORT}: ")
        name("10.0.0.2")
        w.attached(2, 120)
        name("10.0.0.3")
        w.client.must("ip addr flush dev eth0; ip addr add 10.0.0.3/24 dev eth0")
        w.host.wait("test $(usbiphp status | grep -c 'in use by 10.0.0.3') = 2", 180)
        w.attached(2)
        w.same_stick()
        w.client.must("ip addr flush dev eth0; ip addr add 10.0.0.2/24 dev eth0")
        w.stop_both()
        w.attached(0)


def once(w):
    with case("--once --wait: a script waits for the device, which stays"):
        w.dial()
        text = w.client.must(f"usbiphp-client {w.client_options} --once --wait 60 --rule 'deny class hid' 2>/dev/null",
                             120)
        devices = json.loads(text)
        check([d["server"] for d in devices] == ["lab"], text)
        w.attached(1)
        w.accept()
        w.attached(2)
        w.stop_both()
        w.attached(0)


def other_engine(w):
    with case("the engine usbfs, on demand, and a guard"):
        w.engine = "--engine usbfs --on-demand"
        w.dial()
        w.accept("--guard on")
        w.attached(2, 120)
        w.client.wait("test $(cat /proc/[0-9]*/comm 2>/dev/null | grep -cx @usbiphp-guard) = 2")
        w.read_anew()
        w.write()
        w.stop_both()
        w.attached(0)


def without_ktls(w):
    with case("without the kernel's TLS, on both sides"):
        for guest in (w.host, w.client):
            lose_module(guest)
        w.dial()
        w.accept()
        w.attached(2, 120)
        for guest in (w.host, w.client):
            guest.must(f"grep -lx {RELAY} /proc/[0-9]*/comm")
        w.read_anew()
        w.host.unplug("keyboard")
        w.attached(1)
        w.host.plug("keyboard", "usb-kbd")
        w.attached(2)
        w.stop_both()
        for guest in (w.host, w.client):
            guest.wait(f"! grep -lx {RELAY} /proc/[0-9]*/comm 2>/dev/null")


def test(kernel, workdir):
    with lab.pair(kernel, workdir, files=FILES) as (host, client):
        w = Reverse(host, client, workdir)
        for guest in (host, client):
            guest.must(f"echo {KEY} >/tmp/key; chmod 600 /tmp/key; chmod 755 /; chown 0:0 / /tmp/key")
        for part in (usable, killed, cable, keys, moved, once, other_engine, without_ktls):
            part(w)
        w.close()


if __name__ == "__main__":
    lab.main(test)

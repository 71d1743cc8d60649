#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The server in a container that has the USB devices of its host, and the client in one that has the files of vhci-hcd,
as docker would run them: see box.c.
"""

import os

import image
import lab
from lab import case, check
from t_main import FILES
from t_serve import SOON
from t_usbfs import Usbfs

ENTER = "nsenter -t $(cat /run/ns) -n"
RULES = "-r 'allow serial STICK' -r 'allow serial SECOND'"
OPTIONS = f"--engine auto -i 60 {RULES}"  # only an event brings the second stick in time
UNSEEN = ("left alone, unless a rule names it, is each device that a program may have open: "
          "a container can see that only with --pid=host -v /dev:/dev")


class Container(Usbfs):
    """The server runs in a container with the address 10.0.0.1."""

    environment = ""

    def make_network(self):
        self.host.must("mkdir /run/box; unshare -n sleep 1000000 & echo $! >/run/ns")
        self.host.wait("test $(readlink /proc/$(cat /run/ns)/ns/net) != $(readlink /proc/1/ns/net)")
        self.host.must(f"ip link set eth0 netns $(cat /run/ns); {ENTER} sh -c 'ip link set lo up; "
                       "ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 up'")

    def box(self, words):
        return f"{self.environment} {ENTER} box /run/box /bin/{words}"

    def start(self, options=OPTIONS):
        super().start(options)

    def serve(self, options):
        self.host.must(self.box(f"usbiphp-server {options}") + " >>/tmp/server.log 2>&1 &")

    def listening(self, name="usbiphp-server"):
        self.host.wait("test $(grep -c 'listening on' /tmp/server.log) = 2", SOON)

    def plug_second(self):
        self.host.plug("second", "usb-storage", image=self.second, serial="SECOND", port="3")

    def unplug_second(self):
        self.host.unplug("second")
        self.attached(1, SOON)
        self.host.wait("test $(grep -lx usbiphp-holder /proc/[0-9]*/comm | wc -l) = 1", SOON)

    def kill_holders(self):
        for pid in self.holders():
            self.host.must(f"kill -9 {pid}")

    def given_back(self, number):
        """After a stop: so many sticks of the host are with their driver."""
        self.host.must(f"test $(ls -d /sys/bus/usb/drivers/usb-storage/*:1.0 | wc -l) = {number}")


def whole_directory(w):
    with case("what usbiphp doctor says in a container"):
        w.host.must("modprobe usbip-host")
        w.plug_both()
        text = w.host.sh(w.box("usbiphp doctor"))[1]
        for line in ("ok      /dev/bus/usb can be used\n", f"warn    {UNSEEN}\n",
                     "ok      usbip-host cannot be used: devices are exported through /dev/bus/usb\n"):
            check(line in text, text)

    with case("what the server cannot judge there it leaves alone, and says so once"):
        w.start("--engine auto -i 1 -v")
        w.host.wait("test $(grep -c 'left alone: this host may need it: .*--pid=host' /tmp/server.log) = 2")
        w.stop(w.host, "usbiphp-server")
        check(w.log(w.host).count(UNSEEN) == 1, w.log(w.host))

    with case("a stick that a rule names is the same at the client"):
        w.start()
        w.begin()
        w.attached(1, SOON)
        w.read_anew()
        w.write()

    with case("a health check: whether the server answers"):
        w.host.must(w.box("usbiphp list 127.0.0.1"))
        status, said = w.host.sh(w.box("usbiphp list 127.0.0.1 -p 3241"))
        check(status == 1, said)

    with case("also one that is plugged in while the server runs"):
        w.plug_second()
        w.attached(2, SOON)
        w.unplug_second()

    with case("a holder that is killed: the device is exported anew"):
        w.kill_holders()
        w.host.wait("grep -q ': given back' /tmp/server.log && test $(grep -c ': exported' /tmp/server.log) = 3", SOON)
        w.attached(1, SOON)
        w.read_anew()

    with case("a container that is killed: the next one has the device, and its stop gives it back"):
        w.host.must(lab.kill("usbiphp-server", "KILL"))
        w.host.wait("! pidof usbiphp-server")
        w.start()
        w.attached(1, SOON)
        w.read_anew()
        w.stop(w.host, "usbiphp-server")
        w.attached(0)
        w.given_back(1)


def copies(w):
    with case("with copies of the nodes: the log tells why a later device is not exported"):
        w.environment = "BOX_COPIES=1"
        w.start()
        w.attached(1, SOON)
        w.plug_second()
        w.host.wait("grep -q 'cannot export .*46f4:0001.*a container needs -v /dev/bus/usb:/dev/bus/usb: "
                    "No such file or directory' /tmp/server.log")
        w.read_anew()
        w.stop(w.host, "usbiphp-server")
        w.given_back(2)


def user(w):
    with case("as a user whose group may write the nodes"):
        w.environment = "BOX_USER=100"
        w.host.must("chgrp 100 /dev/bus/usb/*/*; chmod 664 /dev/bus/usb/*/*")  # as 71-usbiphp-group.rules
        w.start(f"{OPTIONS} --run /tmp/usbiphp")
        w.attached(2, SOON)
        w.read_anew()
        w.unplug_second()

    with case("his holder that is killed, and his stop"):
        w.kill_holders()
        w.host.wait("test $(grep -c ': exported' /tmp/server.log) = 3", SOON)
        w.attached(1, SOON)
        w.read_anew()
        w.stop(w.host, "usbiphp-server")
        w.given_back(1)


def sees(w):
    with case("in a container that sees its host no device must be named"):
        w.environment = "BOX_SEES=1"
        w.start("--engine auto -i 60")
        w.attached(2, SOON)
        w.stop(w.host, "usbiphp-server")
        w.given_back(1)


def start_client(w, options=""):
    w.client.must(f"BOX_VHCI=1 box /run/box /bin/usbiphp-client -i 1 {options} host >>/tmp/client.log 2>&1 &")


def kill_client(w):
    """As `docker kill` does, with all that runs in the container."""
    w.client.must(lab.kill("usbiphp-client", "KILL"))
    w.client.wait("! pidof usbiphp-client")


def next_goes_on(w):
    """A container more, which attaches nothing again."""
    start_client(w, "--guard off")
    w.client.wait("pidof usbiphp-client && usbiphp status | grep -q 46f4", SOON)
    w.read_anew()
    text = w.log(w.client)
    check(text.count(": attached to port") == 1, text)


def client_inside(w):
    w.stop(w.client, "usbiphp-client")
    w.environment = ""
    w.start()
    w.client.must("modprobe vhci-hcd; mkdir -p /run/box /run/usbiphp")
    with case("what usbiphp doctor says of a client in a container"):
        text = w.client.sh("BOX_VHCI=1 box /run/box /bin/usbiphp doctor")[1]
        check("ok      vhci-hcd is loaded\n" in text, text)
        text = w.client.sh("box /run/box /bin/usbiphp doctor")[1]
        check("warn    vhci-hcd: Read-only file system\n" in text, text)

    with case("the client in a container: a stick is the same at its machine"):
        w.new_log(w.client, "client")
        start_client(w)
        w.attached(1, SOON)
        w.read_anew()
        w.write()

    with case("one that is plugged in later"):
        w.plug_second()
        w.attached(2, SOON)
        w.unplug_second()

    with case("its container is killed, and the guard with it: the next one attaches the stick again"):
        kill_client(w)
        start_client(w)
        w.client.wait("test $(grep -c ': attached to port' /tmp/client.log) = 3", SOON)
        w.attached(1, SOON)
        w.read_anew()
        w.stop(w.client, "usbiphp-client")
        w.attached(0)

    with case("without a guard the next one goes on with the session"):
        w.new_log(w.client, "client")
        start_client(w, "--guard off")
        w.attached(1, SOON)
        kill_client(w)
        next_goes_on(w)

    with case("without a guard a stick that its machine uses stays when the container is stopped"):
        w.client.must(f"mkswap {w.disk()} >/dev/null && swapon {w.disk()}")
        w.stop(w.client, "usbiphp-client")
        w.client.wait("grep -q 'stays attached: it holds swap space' /tmp/client.log")
        w.attached(1)
        w.client.must(f"swapoff {w.disk()}")
        w.digest = w.new_digest()

    with case("a disk that a program may have open, which it cannot see, stays as well"):
        next_goes_on(w)
        w.stop(w.client, "usbiphp-client")
        w.client.wait("grep -q 'stays attached: this host may need it: .*--pid=host' /tmp/client.log")
        w.attached(1)
        w.detach_all()
        w.attached(0)
    w.stop(w.host, "usbiphp-server")


def test(kernel, workdir):
    program = image.build("box", workdir, kernel)
    with lab.pair(kernel, workdir, files=FILES | {"/bin/box": program}) as (host, client):
        w = Container(host, client, workdir)
        w.second = workdir / "second.img"
        w.second.write_bytes(os.urandom(1 << 20))
        w.make_network()
        for part in (whole_directory, copies, user, sees, client_inside):
            part(w)
        w.close()


if __name__ == "__main__":
    lab.main(test)

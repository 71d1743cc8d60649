#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A stick through ssh on real kernels: OpenSSH's client, dropbear's server, and a cable between."""

import subprocess

import image
import lab
from lab import case, check
from t_main import FILES, World

SSH, DROPBEAR = "/usr/bin/ssh", "/usr/sbin/dropbear"
PROGRAMS = (SSH, DROPBEAR)
# Silence is noticed after 15 to 20 s, and the devices are freed at once then.
FREED = 30
SERVER = "ssh://root@10.0.0.1"


def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def keys(where):
    """Both machines' keys, as the files of both guests."""
    where.mkdir()
    run("dropbearkey", "-t", "ed25519", "-f", where / "host")
    public = run("dropbearkey", "-y", "-f", where / "host").split("\n")[1].split()
    (where / "known_hosts").write_text(f"10.0.0.1 {public[0]} {public[1]}\n")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", where / "id_ed25519")
    (where / "id_ed25519.pub").rename(where / "authorized_keys")
    for file in where.iterdir():
        file.chmod(0o600)
    return {f"/root/.ssh/{i.name}": i for i in where.iterdir()}


def usable(w):
    with case("a stick through ssh is the stick"):
        w.host.must("chmod 755 / /root; chmod 700 /root/.ssh; mkdir -p /var/run; "
                    "dropbear -F -E -s -K 5 -r /root/.ssh/host >/tmp/dropbear.log 2>&1 &")
        w.host.plug("stick", "usb-storage", image=w.stick, serial="STICK")
        w.serve("-i 1 -l 127.0.0.1")
        w.bound(1)
        w.client.must("chmod 755 / /root; chmod 700 /root/.ssh")
        w.attach(SERVER, "")
        w.attached(1, 120)
        w.same_stick()

    with case("it goes through ssh alone, and `usbip port` reads its note"):
        check("10.0.0.2" not in w.host.must("netstat -tn | grep :3240"), "a plain connection")
        ports = w.client.must("usbip port 2>/dev/null")
        check("usbip://root@10.0.0.1:ssh/" in ports, ports)

    with case("what is plugged in is there at once, what is unplugged is gone"):
        w.host.plug("keyboard", "usb-kbd")
        w.attached(2, 120)
        w.host.unplug("keyboard")
        w.attached(1, 120)
        w.client.wait("test $(pidof ssh | wc -w) = 2")


def cable(w):
    with case("the cable is pulled: the device is freed on both sides"):
        w.client.link(False)
        w.attached(0, FREED)
        w.free(1, FREED)

    with case("the cable is in again: so is the device"):
        w.client.link(True)
        w.attached(1, 120)
        w.same_stick()
        log = w.log(w.client)
        check(log.count(f"cannot reach {SERVER}") <= 3, f"too many words:\n{log}")


def killed(w):
    with case("a client that is killed leaves the device, the next one takes it over"):
        was = w.sessions()
        w.client.must(lab.kill("usbiphp-client", "KILL"))
        w.client.wait("test $(pidof ssh | wc -w) = 1")
        w.same_stick()
        w.attach(SERVER, "")
        w.client.wait("test $(pidof ssh | wc -w) = 2")
        check(w.sessions() == was, "it was attached anew")


def stopped(w):
    with case("stop gives it back, and no ssh is left"):
        w.stop(w.client, "usbiphp-client")
        w.attached(0)
        w.client.wait("! pidof ssh")
        w.free(1)
        w.stop(w.host, "usbiphp-server")
        w.host.wait("grep -q 8192 /sys/block/sd*/size")


def test(kernel, workdir):
    files = (FILES | {path: path for path in (*PROGRAMS, *image.libraries(*PROGRAMS))} |
             keys(workdir / "keys"))
    with lab.pair(kernel, workdir, files=files) as (host, client):
        w = World(host, client, workdir)
        for part in (usable, cable, killed, stopped):
            part(w)
        w.close("cat /tmp/dropbear.log; ps;")


if __name__ == "__main__":
    lab.main(test)

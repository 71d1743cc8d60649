#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tests/bench/real, which measures real machines, over a cable whose round trip is known: t_real.py [KERNEL]."""

import re

import image
import lab
from lab import case, check
from t_main import FILES, ROOT
from t_serve import Serving

TRIP = 20  # ms, of netem
MIB = 2
OWN = 1 << 20  # bytes of a stick of the client's own
REAL = "/bin/real"
ROW = re.compile(r"^\| (.*?) \| ([\d.]+) \| (\d+) \| (\d+) \| ([\d.]+) \| (\d+) \| ([\d.]+) \| (\d+) \|$", re.M)
EVENTS = re.compile(r"^\| event\d+ \| (\d+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", re.M)


def refuses(w, words, why):
    status, text = w.client.sh(f"{REAL} {words}")
    check(status == 1 and why in text, f"{status}: {text}")


def rows(text):
    """{name: (commands, KiB each)}; a command takes three round trips or longer."""
    trip = float(re.search(r"The round trip to host is ([\d.]+) ms", text)[1])
    check(trip >= TRIP, text)
    for _, seconds, commands, _, _, _, trips, waits in ROW.findall(text):
        each = float(seconds) / int(commands) * 1e3
        check(each > 2.5 * TRIP, text)
        check(abs(float(trips) - each / trip) < 0.2 and abs(int(waits) - 300 * trip / each) < 5, text)
    return {x[1]: (int(x[3]), int(x[4])) for x in ROW.finditer(text)}


def disks(w):
    disk = w.disk().rpartition("/")[2]
    w.client.must(f"modprobe sch_netem; tc.real qdisc add dev eth0 root netem delay {TRIP}ms", 60)
    with case("reads: three round trips for each command"):
        found = rows(w.client.must(f"{REAL} host {disk} {MIB}", 300))
        check(list(found) == ["read", "read, 4 KiB"], f"{found}")
        check(found["read, 4 KiB"] == (1000, 4), f"{found}")
        check(found["read"][0] * found["read"][1] >= MIB << 10, f"{found}")
        w.same_stick()
    with case("writes, if that is asked for"):
        found = rows(w.client.must(f"{REAL} --overwrite host {disk} {MIB}", 300))
        check(list(found)[2:] == ["write", "write, 4 KiB"], f"{found}")
        check(w.new_digest() != w.digest, "nothing was written")
    with case("a disk in use is not overwritten"):
        w.client.must(f"mkswap /dev/{disk} >/dev/null && swapon /dev/{disk}")
        refuses(w, f"--overwrite host {disk} {MIB}", "is in use")
        w.client.must(f"swapoff /dev/{disk}")
    with case("no disk of another machine, too small a disk, no answer"):
        refuses(w, "host nodisk", "there is no disk")
        refuses(w, f"host {disk} 64", "less than 64 MiB")
        refuses(w, f"10.0.0.99 {disk} 1", "answers no ping")
        w.client.plug("own", "usb-storage", image=w.own)
        own = w.client.wait(f"grep -lx {OWN // 512} /sys/block/sd*/size", 60).split("/")[3]
        refuses(w, f"host {own} 1", "no device that was attached")
    w.client.must("tc.real qdisc del dev eth0 root")


def events(w):
    with case("an input device"):
        w.host.plug("tablet", "usb-tablet", port="3")
        node = w.client.wait("cd /sys/class/input && for i in event*; do case $(readlink $i) in *vhci_hcd*) "
                             "grep -q 0627 $i/device/id/vendor && grep -qi tablet $i/device/name && echo $i && exit ;; "
                             "esac; done; false", 120).strip()
        w.client.must(f"{{ {REAL} --events {node} 4 >/tmp/events 2>&1; echo $? >/tmp/ended; }} &")
        n = 0
        while w.client.sh("test -s /tmp/ended")[0]:
            n += 1
            w.host.qmp.command("input-send-event", events=[
                {"type": "abs", "data": {"axis": "x", "value": 1 + n % 32000}}])
        text = w.client.must("cat /tmp/events")
        found = EVENTS.search(text)
        check(found and int(found[1]) > 1, text)
        check(float(found[2]) <= float(found[3]) <= float(found[4]), text)


def test(kernel, workdir):
    files = FILES | {REAL: ROOT / "tests" / "bench" / "real", "/bin/tc.real": "/sbin/tc"}
    files.update({x: x for x in image.libraries("/sbin/tc")})
    with lab.pair(kernel, workdir, files=files) as (host, client):
        w = Serving(host, client, workdir)
        w.own = workdir / "own.img"
        w.own.write_bytes(bytes(OWN))
        w.plug_both()
        w.start()
        w.begin()
        w.attached(2)
        disks(w)
        events(w)
        w.close()


if __name__ == "__main__":
    lab.main(test)

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prove that the lab itself works: a stick over the stock tools, on each kernel named."""

import hashlib
import os
import pathlib
import sys
import tempfile
import time

import lab


def test(kernel, workdir):
    stick = pathlib.Path(workdir) / "stick.img"
    stick.write_bytes(os.urandom(4 << 20))
    digest = hashlib.sha256(stick.read_bytes()).hexdigest()
    began = time.monotonic()
    with lab.pair(kernel, workdir) as (host, client):
        print(f"# {kernel}: two guests in {time.monotonic() - began:.1f} s", flush=True)

        with lab.case(f"{kernel}: commands, files and daemons"):
            lab.check(host.sh("printf 'a\\nb'; exit 3") == (3, "a\nb"), "status and output")
            lab.check(client.must("hostname") == "client\n", "host name")
            host.must("sleep 1000 &")
            host.put(stick, "/tmp/stick")
            lab.check(host.get("/tmp/stick") == stick.read_bytes(), "put and get")
            host.must("rm /tmp/stick; ping -c 1 -w 10 client")

        with lab.case(f"{kernel}: a stick over the stock tools is the same at both ends"):
            host.must("modprobe usbip_host && usbipd -D")
            client.must("modprobe vhci_hcd")
            since = time.monotonic()
            host.plug("stick", "usb-storage", image=stick, serial="LAB1")
            _, text = host.wait_event("bind@", "DEVTYPE=usb_device", "DRIVER=usb\n", since=since)
            busid = text.splitlines()[0].rpartition("/")[2]
            host.wait("netstat -ltn | grep -q :3240")
            host.must(f"usbip bind -b {busid}")
            client.must(f"usbip attach -r host -b {busid}")
            _, text = client.wait_event("add@", "vhci_hcd.0", "DEVTYPE=disk", since=since)
            disk = "/dev/" + text.partition("DEVNAME=")[2].split()[0]
            lab.check(client.must(f"sha256sum {disk}").split()[0] == digest, "another content")

        with lab.case(f"{kernel}: unplugging reaches the client"):
            since = time.monotonic()
            host.unplug("stick")
            client.wait_event("remove@", "vhci_hcd.0", "DEVTYPE=usb_device", since=since)

        with lab.case(f"{kernel}: cable and power"):
            host.link(False)
            lab.check(client.sh("ping -c 1 -W 1 host")[0] != 0, "a pulled cable carries packets")
            host.link(True)
            client.wait("ping -c 1 -w 2 host")
            host.freeze()
            lab.check(client.sh("ping -c 1 -W 1 host")[0] != 0, "a frozen machine answers")
            host.thaw()
            client.wait("ping -c 1 -w 2 host")

        with lab.case(f"{kernel}: the kernels have nothing to complain about"):
            lab.check(not host.kernel_complaints(), f"host: {host.kernel_complaints()}")
            lab.check(not client.kernel_complaints(), f"client: {client.kernel_complaints()}")

        with lab.case(f"{kernel}: a complaint is noticed"):
            client.must("echo 'WARNING: CPU: 0 of a test' >/dev/kmsg")
            lab.check(len(client.kernel_complaints()) == 1, "not noticed")

        with lab.case(f"{kernel}: a machine comes back after a power cut"):
            host.power_cut()
            host.start()
            client.wait("ping -c 1 -w 2 host")

    with lab.case(f"{kernel}: a machine without a module"), \
            lab.Guest("bare", kernel, workdir, append=lab.WITHOUT_STUB) as guest:
        guest.must("modprobe vhci_hcd && ! modprobe usbip_host && ! grep -r usbip_host /lib/modules/*/modules.dep")
        lab.check(not guest.must("find / -xdev -name 'usbip[-_]host*'"), "it has it")


if __name__ == "__main__":
    for version in sys.argv[1:] or ["6.1"]:
        with tempfile.TemporaryDirectory() as directory, \
                lab.case(f"{version}: the lab ran to its end"):
            test(version, directory)
    lab.finish()

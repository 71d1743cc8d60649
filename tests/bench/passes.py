# SPDX-License-Identifier: MIT
"""The system calls of a pass that has nothing to do, on captured trees."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

from fixture import packet, unpack

ROOT = pathlib.Path(__file__).resolve().parents[2]
PASSES = 10


def all_exported(sysfs):
    """Every device of the tree is with usbip-host, so that there is nothing to do."""
    for driver in sysfs.glob("bus/usb/devices/*/driver"):
        if re.fullmatch(r"\d+-[\d.]+", driver.parent.name) and os.readlink(driver).endswith("/usb"):
            target = os.readlink(driver)[:-len("usb")] + "usbip-host"
            driver.unlink()
            os.symlink(target, driver)


class Server(threading.Thread):
    """Answers list requests with an empty list and drops all else, as the stock usbipd does."""

    def __init__(self):
        super().__init__(daemon=True)
        self.sock = socket.create_server(("127.0.0.1", 0))

    def run(self):
        while True:
            peer, _ = self.sock.accept()
            if peer.recv(8)[2:4] == b"\x80\x05":
                peer.sendall(packet("rep_devlist_empty"))
            peer.close()


def trace(work, argv, enough):
    """The system calls of a daemon, a line each, until enough(lines) is true."""
    log = work / "trace"
    process = subprocess.Popen(["strace", "-f", "-o", log, *argv], stderr=subprocess.DEVNULL)
    lines, deadline = [], time.monotonic() + 10 * PASSES
    try:
        while not enough(lines) and time.monotonic() < deadline:
            time.sleep(0.1)
            lines = log.read_text().splitlines() if log.exists() else []
    finally:
        # strace goes on until the daemon, its first child, has ended
        child, = map(int, pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children"
                                       ).read_text().split()[:1])
        os.kill(child, signal.SIGTERM)
        process.wait(60)
    return lines


def per_pass(work, argv, mark):
    """Between the second pass and the last: calls, forks and connections of one."""
    lines = trace(work, argv, lambda x: sum(mark in y for y in x) >= PASSES)
    marks = [n for n, line in enumerate(lines) if mark in line]
    part = lines[marks[1]:marks[-1]]
    passes = len(marks) - 2
    forks = sum(bool(re.search(r" (clone3?|v?fork)\(", x)) for x in part)
    connections = sum(" connect(" in x for x in part)
    return [f"{len(part) / passes:.0f}", f"{forks / passes:.0f}", f"{connections / passes:.0f}"]


def table(kernel, work):
    """Rows: daemon, system calls, forks, connections."""
    host, client = work / "tree-host", work / "tree-client"
    unpack(f"host-{kernel}.tree", host)
    unpack(f"client-{kernel}.tree", client)
    all_exported(host)
    common = ["-i", "1", "--run", work / "run"]
    server = Server()
    server.start()
    port = server.sock.getsockname()[1]
    binary = ROOT / "build" / "usbiphp"
    return [["server, 4 devices bound",
             *per_pass(work, [f"{binary}-server", *common, "--sysfs", host],
                       '"bus/usb/devices/", ')],
            ["client, one server, 240 ports",
             *per_pass(work, [f"{binary}-client", *common, "--sysfs", client, f"127.0.0.1:{port}"],
                       " connect(")]]

# SPDX-License-Identifier: MIT
"""Bytes of memory and of files."""

import os
import pathlib
import re
import subprocess

import variants

# By their names in /proc. Ours is a daemon and its children: one finds out what the machine needs, the server's other
# one starts holders, and the client's device has a guard.
PROCESSES = {"ours": "@?usbiphp.*", "loops": "usbipd|every_10_s|sleep"}


def resident(variant, role, guest):
    """Rows: variant, role, process, Rss and Pss in kB, of what stays in memory."""
    if variant == "loops":
        guest.wait("pidof sleep")  # between two passes
    text = guest.must(f"for p in $(grep -lxE '{PROCESSES[variant]}' /proc/[0-9]*/comm); do "
                      "cat $p ${p%comm}smaps_rollup; done")
    found = re.findall(r"^([\w@-]+)\n\w+-.*\[rollup\]\n((?:\w+: .*\n)+)", text, re.M)
    for name, body in found:
        sizes = dict(re.findall(r"^(\w+): +(\d+) kB", body, re.M))
        yield [variant, role, name, int(sizes["Rss"]), int(sizes["Pss"])]


class Memory:
    """Collects rows of both guests, the last time it is asked for a variant."""

    def __init__(self):
        self.rows = {}

    def __call__(self, variant):
        def look(host, client):
            self.rows[variant] = [*resident(variant, "host", host),
                                  *resident(variant, "client", client)]
        return look


def sums(rows):
    """Rows with a total per variant and role."""
    for variant, group in rows.items():
        for role in ("host", "client"):
            part = [row for row in group if row[1] == role]
            yield from part
            if len(part) > 1:
                yield [variant, role, "sum", sum(x[3] for x in part), sum(x[4] for x in part)]


def with_libraries(*programs):
    """{real path: bytes} of programs and all shared libraries they load."""
    files = set()
    for program in programs:
        done = subprocess.run(["ldd", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, check=False)
        files |= {str(program), *re.findall(r"(/\S+) \(0x", done.stdout)}
    return {path: os.path.getsize(path) for path in sorted({os.path.realpath(x) for x in files})}


def size(title, files):
    names = ", ".join(pathlib.Path(path).name for path in files)
    return [title, names, len(files), sum(files.values())]


def files():
    """Rows: what, files, their number, bytes; and the ratio."""
    ours = with_libraries(variants.ROOT / "build" / "usbiphp")
    stock = with_libraries("/usr/sbin/usbip", "/usr/sbin/usbipd")
    without = {p: n for p, n in stock.items() if not re.search(r"/(libc\.so|ld-linux)", p)}
    rows = [size("ours", ours), size("stock", stock), size("stock without libc", without)]
    return [[*row, f"{row[3] / rows[0][3]:.1f}"] for row in rows]

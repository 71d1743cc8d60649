# SPDX-License-Identifier: MIT
"""Reads tests/fixtures: see the README there."""

import os
import pathlib

FIXTURES = pathlib.Path(__file__).resolve().parent / "fixtures"


def unpack(tree, where):
    """A fixture of sysfs/ as a directory."""
    for line in (FIXTURES / "sysfs" / tree).read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "d":
            (where / rest).mkdir(parents=True, exist_ok=True)
        elif kind == "l":
            path, _, target = rest.partition(" -> ")
            os.symlink(target, where / path)
        elif kind == "f":
            mode, _, rest = rest.partition(" ")
            path, _, text = rest.partition(" = ")
            data = text.encode().decode("unicode_escape").encode("latin-1")
            (where / path).write_bytes(data)
            (where / path).chmod(int(mode, 8) | 0o200)


def packet(name):
    """The bytes of a fixture of packets/."""
    text = (FIXTURES / "packets" / f"{name}.hex").read_text()
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))

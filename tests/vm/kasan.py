#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds a kernel that reports its own faults: Debian's 6.1 source with KASAN, lock proving and hung-task
detection, and everything that the tests need built in. It is the guests' kernel "kasan"; ten minutes, once.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess

import image

FRAGMENT = pathlib.Path(__file__).with_name("kasan.config")
PACKAGES = "flex bison bc libelf-dev libssl-dev xz-utils".split()
SOURCE = "linux-source-6.1"
# What tinyconfig chooses and the fragment does not.
DROP = re.compile(r"^CONFIG_(SLOB|KERNEL_XZ|CC_OPTIMIZE_FOR_SIZE)=.*\n", re.M)
BUILD_SECONDS = 7200


def make(tree, *targets):
    with open(tree / "make.log", "ab") as log:
        status = subprocess.run(["make", f"-j{os.cpu_count()}", *targets], cwd=tree, stdout=log,
                                stderr=log, stdin=subprocess.DEVNULL, timeout=BUILD_SECONDS).returncode
    if status:
        tail = (tree / "make.log").read_text(errors="replace").splitlines()[-20:]
        raise RuntimeError(f"make {' '.join(targets)}:\n" + "\n".join(tail))


def unpack(work):
    """The directory of the source below `work`."""
    image.run("apt-get", "-q", "download", SOURCE, cwd=work)
    package, = work.glob("*.deb")
    image.run("dpkg-deb", "-x", str(package), str(work / "x"))
    archive, = work.glob("x/usr/src/*.tar.xz")
    image.run("tar", "-C", str(work), "-xf", str(archive))
    return work / SOURCE


def configure(tree):
    """Fails when the kernel does not take a line of the fragment."""
    make(tree, "tinyconfig")
    config = tree / ".config"
    config.write_text(DROP.sub("", config.read_text()) + FRAGMENT.read_text())
    make(tree, "olddefconfig")
    got = set(config.read_text().splitlines())
    missing = [x for x in FRAGMENT.read_text().splitlines() if x and x not in got]
    if missing:
        raise RuntimeError(f"the kernel cannot be configured with {' '.join(missing)}")


def build(out):
    """Fill the directory as image.pick() does; there are no modules."""
    image.run(str(image.ROOT / "tests/packages"), *PACKAGES)
    tree = unpack(out.parent)
    configure(tree)
    make(tree, "bzImage")
    (out / "modules").mkdir(parents=True)
    (out / "version").write_text((tree / "include/config/kernel.release").read_text())
    for name in ("modules.dep", "modules.alias", "modules.builtin"):
        (out / "modules" / name).write_text("")
    shutil.copy(tree / "arch/x86/boot/bzImage", out / "kernel")


def fetch():
    """The directory of the kernel, built when it is not there."""
    name = f"kernel-kasan-{hashlib.sha256(FRAGMENT.read_bytes()).hexdigest()[:12]}"
    with image.made_once(image.CACHE / name) as out:
        if out:
            build(out)
    return image.CACHE / name


if __name__ == "__main__":
    print(fetch())

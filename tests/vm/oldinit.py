# SPDX-License-Identifier: MIT
"""A Debian guest with another init system than systemd: OpenRC or sysvinit alone."""

import pathlib
import shutil
import subprocess
import tempfile

import debian
import image
import lab

PACKAGES = {"openrc": "sysvinit-core,openrc,kmod",
            "sysvinit": "sysvinit-core,initscripts,insserv,kmod"}

# What is started at boot and at shutdown besides what is to be tested: the rest is slow under
# emulation, and done by the lab.
SERVICES = {"bootmisc.sh", "cgroups", "sendsigs", "umountnfs.sh", "umountfs", "umountroot", "halt",
            "reboot", "rc", "rcS", "single"}

# No gettys. The last line is reached when all services have been started.
INITTAB = """id:2:initdefault:
si::sysinit:/etc/init.d/rcS
la:0123456:once:/run/lab/bin/busybox sh /etc/lab
l0:0:wait:/etc/init.d/rc 0
l2:2:wait:/etc/init.d/rc 2
l6:6:wait:/etc/init.d/rc 6
ok:2:once:/bin/touch /run/lab/booted
"""
AGENT = "/run/lab/bin/uevents >/run/lab/events &\n. /run/lab/bin/agent\n"


def disk(kernel, init):
    """The image of a disk with a Debian with that init system, the kernel's modules, the agent."""
    modules = image.fetch(kernel)

    def make(out):
        with tempfile.TemporaryDirectory(dir=out.parent) as directory:
            root = pathlib.Path(directory) / "root"
            image.run("cp", "-al", str(debian.tree(PACKAGES[init])), str(root))
            furnish(root, modules)
            image.run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(root),
                      str(out), "1g")
    inputs = (pathlib.Path(__file__).read_bytes(), pathlib.Path(debian.__file__).read_bytes(),
              (modules / "kernel").stat().st_mtime_ns)
    return debian.cached(f"debian-{init}-{kernel}", make, inputs)


def furnish(root, modules):
    """Add what makes the tree boot in the lab. Its files are links: replace, do not write."""
    def write(name, text):
        path = root / name
        path.unlink(missing_ok=True)
        path.write_text(text)

    version = (modules / "version").read_text().strip()
    shutil.copytree(modules / "modules", root / "lib/modules" / version)
    image.run("chroot", str(root), "depmod", version)
    write("etc/inittab", INITTAB)
    write("etc/lab", AGENT)
    write("etc/hosts", image.ETC["etc/hosts"])
    for link in [*root.glob("etc/rc?.d/[SK]*"), *root.glob("etc/runlevels/*/*")]:
        if link.name.lstrip("SK0123456789") not in SERVICES:
            link.unlink()


class Guest(debian.Debian):
    """A guest with one of the init systems above."""

    def __init__(self, init, *args, **options):
        self.init = init
        super().__init__(init, *args, **options)

    def made_disk(self, kernel):
        return disk(kernel, self.init)

    def booted(self):
        self.wait("[ -e /run/lab/booted ]", 120)

    def reboot(self):
        self.must("telinit 6")
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.fail("no end of the shutdown")
        self.start()
        self.booted()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A small system as a guest: busybox with its init and nothing else, on a disk that keeps its contents."""

import contextlib
import pathlib
import subprocess
import tempfile
import time

import debian
import image
import lab

# The first process: the lab's own set-up, then the disk's /sbin/init.
INIT = """#!/bin/sh
. /etc/rcS
modprobe -a crc32c_generic virtio_blk ext4
mkdir /disk
until mount -t ext4 -o noatime /dev/vda /disk 2>/dev/null; do usleep 10000; done
for dir in proc sys dev run; do mount --move /$dir /disk/$dir; done
exec switch_root /disk /sbin/init
"""

# What the disk's init does with an inittab: a log, and the lab's agent.
INITTAB = """# The lab's.
::sysinit:/etc/init.d/rcS
::respawn:/sbin/syslogd -n -C64
::once:/etc/events
::once:/etc/agent
::shutdown:/bin/umount -a -r
"""

# Without one init runs only this.
WITHOUT = """#!/bin/sh
for script in events agent; do setsid /etc/$script </dev/null >/dev/null 2>&1 & done
"""

FILES = {"etc/inittab": INITTAB, "etc/init.d/rcS": "#!/bin/sh\n", "root/rcS": WITHOUT}


def furnish(root, kernel):
    """Fill a directory with what every guest has, less the stock tools, and what is said above."""
    for name, mode, *data in image.base_entries(kernel):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = mode & 0o170000
        if kind == 0o040000:
            path.mkdir(exist_ok=True)
        elif kind == 0o120000:
            path.symlink_to(data[0].decode())
        elif kind == 0o100000 and "usbip" not in path.name.replace("usbip_", ""):
            path.write_bytes(data[0])
            path.chmod(mode & 0o7777)
    for name in ("sbin/init", *FILES):
        (root / name).unlink(missing_ok=True)
    (root / "sbin/init").symlink_to("/bin/busybox")
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    (root / "dev").mkdir(exist_ok=True)


def disk(kernel):
    """The image of a disk with that."""
    def make(out):
        with tempfile.TemporaryDirectory(dir=out.parent) as directory:
            furnish(pathlib.Path(directory), kernel)
            image.run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", directory,
                      str(out), "96m")
    inputs = (pathlib.Path(__file__).read_bytes(), pathlib.Path(image.__file__).read_bytes(),
              (image.fetch(kernel) / "kernel").stat().st_mtime_ns)
    return debian.cached(f"small-{kernel}", make, *inputs)


class Small(lab.Guest):
    """A guest that boots it from a disk of its own."""

    def __init__(self, name, kernel, workdir, **options):
        workdir = pathlib.Path(workdir)
        image_file = workdir / f"{name}.disk"
        image.run("cp", "--sparse=always", str(disk(kernel)), str(image_file))
        init = workdir / "small-init"
        init.write_text(INIT)
        init.chmod(0o755)
        self.qemu = debian.with_disk(workdir / f"{name}.sh", image_file)
        super().__init__(name, kernel, workdir, files={"/bin/small": init},
                         append="rdinit=/bin/small", **options)

    def reboot(self):
        """Shut down in order and boot again, without USB devices: the seconds until it answers."""
        with contextlib.suppress(lab.LabError):
            self.sh("reboot", 5)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.fail("no end of the shutdown")
        began = time.monotonic()
        self.start()
        return time.monotonic() - began

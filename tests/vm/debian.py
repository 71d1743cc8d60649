#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A whole Debian with systemd as a guest, without the stock usbip tools and with no network but the lab's."""

import hashlib
import pathlib
import shutil
import subprocess
import tempfile

import image
import lab

SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = "systemd-sysv,udev,kmod"
LEFT_OUT = ("doc", "info", "locale", "man")

# The first process: the lab's own set-up, then the disk's /sbin/init. The agent comes along in /run.
INIT = """#!/bin/sh
. /etc/rcS
modprobe -a crc32c_generic virtio_blk ext4
mkdir -p /disk /run/lab/bin
until mount -t ext4 -o noatime /dev/vda /disk 2>/dev/null; do usleep 10000; done
cp /bin/busybox /bin/uevents /run/lab/bin
sed 's|exec sh |exec /bin/sh |' /etc/agent >/run/lab/bin/agent
for dir in proc sys dev run; do mount --move /$dir /disk/$dir; done
exec switch_root /disk /sbin/init
"""

# The agent's shell is busybox, whose own commands take far less time here. It stays to the very
# end of a shutdown.
UNIT = """[Unit]
DefaultDependencies=no
After=systemd-udevd.service
[Service]
ExecStart=/run/lab/bin/busybox sh -c '/run/lab/bin/uevents >/run/lab/events & . /run/lab/bin/agent'
KillMode=none
[Install]
WantedBy=sysinit.target
"""

# Not needed here, and slow under emulation.
MASKED = """getty.target serial-getty@ttyS0.service apt-daily.timer apt-daily-upgrade.timer
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
    systemd-pstore.service systemd-random-seed.service systemd-udev-trigger.service
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-journal-flush.service
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount
    modprobe@.service kmod-static-nodes.service dev-hugepages.mount dev-mqueue.mount
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount
    lvm2-monitor.service blk-availability.service dm-event.socket lvm2-lvmpolld.socket""".split()
GENERATORS = """cryptsetup debug fstab getty gpt-auto hibernate-resume integritysetup rc-local run
    system-update sysv veritysetup""".split()


def cached(name, make, *inputs):
    """The path of something made by `make(path)`, again only when the inputs change."""
    stamp = hashlib.sha256(repr(inputs).encode()).hexdigest()[:12]
    path = image.CACHE / f"{name}-{stamp}"
    with image.made_once(path) as out:
        if out:
            make(out)
    return path


def tree(packages=PACKAGES, hook=""):
    """The directory with a Debian as it comes from the archive. Copy it, do not change it. The hook is a command of
    mmdebstrap's, before it installs the packages.
    """
    def make(out):
        options = ["--dpkgopt=force-unsafe-io"]
        options += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in LEFT_OUT]
        options += [f"--essential-hook={hook}"] if hook else []
        image.run("mmdebstrap", "--quiet", "--mode=root", "--variant=minbase",
                  f"--include={packages}", *options, SUITE, str(out), MIRROR)
    return cached(f"debian-{SUITE}", make, packages, LEFT_OUT, hook)


def disk(kernel, packages=PACKAGES, hook=""):
    """The image of a disk with a Debian that has the kernel's modules and the lab's agent."""
    modules = image.fetch(kernel)

    def make(out):
        with tempfile.TemporaryDirectory(dir=out.parent) as directory:
            root = pathlib.Path(directory) / "root"
            image.run("cp", "-al", str(tree(packages, hook)), str(root))
            furnish(root, modules)
            image.run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", str(root),
                      str(out), "1g")
    inputs = pathlib.Path(__file__).read_bytes(), packages, (modules / "kernel").stat().st_mtime_ns
    return cached(f"debian-{kernel}", make, inputs)


def furnish(root, modules):
    """Add what makes the tree boot in the lab. Its files are links: replace, do not write."""
    def write(name, text):
        path = root / name
        path.unlink(missing_ok=True)
        path.write_text(text)

    version = (modules / "version").read_text().strip()
    shutil.copytree(modules / "modules", root / "lib/modules" / version)
    image.run("chroot", str(root), "depmod", version)
    (root / "etc/hostname").unlink()
    write("etc/machine-id", 32 * "1" + "\n")  # an empty one would mean a first boot
    write("etc/hosts", image.ETC["etc/hosts"])
    write("etc/systemd/system/lab.service", UNIT)
    wants = root / "etc/systemd/system/sysinit.target.wants"
    (wants / "lab.service").symlink_to("../lab.service")
    for name in MASKED:
        mask(root / "etc/systemd/system" / name)
    for name in GENERATORS:
        mask(root / f"etc/systemd/system-generators/systemd-{name}-generator")


def mask(path):
    """Make systemd ignore a file of that name."""
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/null")


def with_disk(program, disk_image):
    """The path of a program that is the emulator with one more disk."""
    program.write_text('#!/bin/sh\nexec qemu-system-x86_64 "$@" '
                       f"-drive file='{disk_image}',format=raw,if=virtio,cache=unsafe\n")
    program.chmod(0o755)
    return program


class Debian(lab.Guest):
    """A guest that boots the Debian from a disk of its own, which keeps what is written to it."""

    def __init__(self, name, kernel, workdir, memory=384, **options):
        workdir = pathlib.Path(workdir)
        self.disk = workdir / f"{name}.disk"
        image.run("cp", "--sparse=always", str(self.made_disk(kernel)), str(self.disk))
        init = workdir / "init"
        init.write_text(INIT)
        init.chmod(0o755)
        self.qemu = with_disk(workdir / f"{name}.sh", self.disk)
        super().__init__(name, kernel, workdir, files={"/bin/debian": init}, memory=memory,
                         append="rdinit=/bin/debian net.ifnames=0 systemd.show_status=auto",
                         **options)

    def made_disk(self, kernel):
        """The image that this guest's disk is a copy of."""
        return disk(kernel)

    def booted(self):
        """Wait until systemd has started everything."""
        self.wait("systemctl is-system-running | grep -qx -e running -e degraded", 120)
        failed = self.must("systemctl --failed --plain --no-legend")
        lab.check(not failed, f"failed units: {failed}")

    def reboot(self):
        """Shut down in order and boot again; no USB devices are plugged in then."""
        self.must("systemctl --no-block reboot")
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.fail("no end of the shutdown")
        self.start()
        self.booted()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""install.sh and uninstall.sh under busybox init: both roles in a guest that has nothing but busybox.

With --long also by hand, over a reboot, with wrong options, and where they cannot be installed.
"""

import hashlib
import os
import pathlib
import sys
import tarfile
import tempfile

import image
import lab
import small

# All that an installation may touch; inittab is looked at by itself.
LISTING = ("find / -xdev ! -name inittab ! -path '/root/*' -type f -exec stat -c '%n %s %Y %a' {} + | sort; "
           "find / /run -xdev ! -type f ! -path '/run/lab/*' ! -path '/root/*' -exec stat -c '%N %F %a' {} + | sort")
MODULES = "cut -d ' ' -f 1 /proc/modules | sort"
INSTALL, UNINSTALL = "cd /root/usbiphp && ./install.sh", "/root/usbiphp/uninstall.sh"
SERVICES = ("usbip-bind", "server"), ("usbip-attach", "client")


def tarball(workdir):
    """What a release is: the scripts, and a program that is ready."""
    path = workdir / "usbiphp.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("install.sh", "uninstall.sh", "install"):
            tar.add(image.ROOT / name, f"usbiphp/{name}")
        tar.add(image.ROOT / "build/usbiphp", "usbiphp/usbiphp")
    return path


class Machine(small.Small):
    """The guest, and what is asked of it."""

    def __init__(self, kernel, workdir):
        super().__init__("machine", kernel, workdir)
        self.stick = workdir / "stick.img"
        self.stick.write_bytes(os.urandom(1 << 20))
        self.before = None

    def plug_stick(self):
        self.plug("stick", "usb-storage", image=self.stick, serial="SMALL1")

    def unpack(self, tar):
        self.put(tar, "/root/usbiphp.tar")
        self.must("cd /root && tar xf usbiphp.tar")

    def remember(self):
        self.before = self.state()

    def state(self):
        return (self.must(LISTING, 60), self.must(MODULES),
                self.sh("cat /etc/inittab; ls -l /etc/inittab | cut -c 1-30")[1])

    def check_as_before(self):
        """Nothing is left, and nothing has gone."""
        for now, then in zip(self.state(), self.before):
            lab.check(now == then, sorted(set(now.split("\n")) ^ set(then.split("\n"))) or "inittab")

    def disk(self):
        """The name of the disk that came over USB/IP."""
        return self.wait("for disk in /sys/block/sd*; do case $(readlink -f $disk) in "
                         "*vhci_hcd*) echo ${disk##*/} && exit ;; esac; done; exit 1", 60).strip()

    def check_content(self):
        want = hashlib.sha256(self.stick.read_bytes()).hexdigest()
        lab.check(self.must(f"sha256sum /dev/{self.disk()}", 60).split()[0] == want, "another content")

    def sequence(self):
        """What tells whether the attached disk has been away."""
        return self.must(f"cat /sys/block/{self.disk()}/diskseq")

    def pid(self, role, other_than="none"):
        """The daemon's process, and only one."""
        return self.wait(f"set -- $(pidof usbiphp-{role}) && [ $# = 1 ] && [ $1 != {other_than} ] && echo $1",
                         60).strip()

    def check_daemon(self, role, arguments):
        cmdline = self.get(f"/proc/{self.pid(role)}/cmdline").decode().split("\0")[:-1]
        lab.check(cmdline == [f"/opt/usbip/usbiphp-{role}", *arguments], cmdline)


def one_line(answer, *words):
    """Whether a command failed like that, and said why in one line with those words."""
    lab.check(answer[0] == 1 and answer[1].count("\n") == 1 and all(w in answer[1] for w in words), answer)


def test(kernel, workdir, long):
    tar = tarball(workdir)
    with Machine(kernel, workdir) as guest:
        guest.unpack(tar)
        guest.remember()
        test_installed(guest)
        if long:
            test_by_hand(guest)
            test_upgrade(guest)
            test_reboot(guest)
        test_uninstalled(guest)
        if long:
            test_read_only(guest)
            test_open_end(guest)
            test_no_inittab(guest)
        with lab.case("the kernel has nothing to complain about"):
            lab.check(not guest.kernel_complaints(), guest.kernel_complaints())
    if long:
        test_memory(kernel, workdir, tar)


def test_installed(guest):
    with lab.case("--dry-run says what would be done, and does nothing"):
        output = guest.must(f"{INSTALL} --dry-run server && ./install.sh -n client 127.0.0.1", 60)
        lab.check("would add usbip-bind to /etc/inittab" in output, output)
        guest.check_as_before()

    with lab.case("both roles are installed, and a stick comes over USB/IP"):
        guest.plug_stick()
        output = guest.must(f"{INSTALL} server -i 7 && ./install.sh client 127.0.0.1 --rule 'deny class hid'", 60)
        lab.check("usbip-attach runs, now and after every boot" in output, output)
        guest.check_daemon("server", ["-i", "7"])
        guest.check_daemon("client", ["127.0.0.1", "--rule", "deny class hid"])
        guest.check_content()

    with lab.case("what the daemons say is in the log"):
        for _, role in SERVICES:
            guest.wait(f"logread | grep -q 'daemon.info usbiphp-{role}: '")

    with lab.case("kill -9: init starts new daemons, the disk was never away"):
        sequence = guest.sequence()
        for _, role in SERVICES:
            old = guest.pid(role)
            guest.must(f"kill -9 {old}")
            guest.pid(role, old)
        lab.check(guest.sequence() == sequence, "the disk was away")
        guest.check_content()


def test_uninstalled(guest):
    with lab.case("uninstall.sh: the stick is back with its driver, nothing is left, twice is harmless"):
        output = guest.must(f"{UNINSTALL} --dry-run", 60)
        lab.check("would stop usbip-bind" in output and guest.pid("server"), output)
        guest.must(UNINSTALL, 120)
        guest.wait("ls -l /sys/bus/usb/drivers/usb-storage | grep -q :1.0")
        guest.check_as_before()
        guest.must(UNINSTALL, 60)
        guest.check_as_before()
        guest.wait("! pidof usbiphp-server usbiphp-client")  # init fetches what has ended once a second


def test_by_hand(guest):
    with lab.case("without its line it is stopped and gives the stick back, with it it is started"):
        guest.must("sed -i 's/^::respawn:.opt.usbip.run usbip-bind$/#&/' /etc/inittab && kill -HUP 1")
        guest.must("killall usbiphp-server")
        guest.wait("! pidof usbiphp-server && ls -l /sys/bus/usb/drivers/usb-storage | grep -q :1.0", 60)
        guest.must("sed -i 's/^#\\(.*usbip-bind\\)$/\\1/' /etc/inittab && kill -HUP 1")
        guest.check_content()

    with lab.case("killall restarts it with the options as they are now"):
        old = guest.pid("server")
        guest.must("sed -i 's/-i 7/-i 7 -f .etc.rules/; s/.etc.rules/\\/etc\\/rules/' /etc/default/usbip-bind")
        guest.must("echo '# none' >/etc/rules && killall usbiphp-server")
        guest.pid("server", old)
        guest.check_daemon("server", ["-i", "7", "-f", "/etc/rules"])
        guest.check_content()

    with lab.case("SIGHUP reads the rules again"):
        old = guest.pid("server")
        guest.must("echo 'deny class storage' >/etc/rules && killall -HUP usbiphp-server")
        guest.wait("ls -l /sys/bus/usb/drivers/usb-storage | grep -q :1.0", 60)
        guest.must("echo >/etc/rules && killall -HUP usbiphp-server")
        guest.check_content()
        lab.check(guest.pid("server") == old, "another daemon")

    with lab.case("wrong options are said once, until they are others"):
        guest.must("cp /etc/default/usbip-bind /root/right && sed -i 's/-i 7/-i no/' /etc/default/usbip-bind")
        said = "logread | grep -c 'interval takes'"
        guest.must("killall usbiphp-server")
        guest.wait(f"[ $({said}) = 1 ]", 60)
        run = guest.must("ps | grep '[o]pt/usbip/run usbip-bind'")
        guest.must("echo 'OPTIONS=\"' >/etc/default/usbip-bind")
        guest.wait("logread | grep -q 'usbiphp-server: .*unterminated'")
        guest.wait("ps | grep '[o]pt/usbip/run usbip-bind'")
        lab.check(guest.must(said).strip() == "1" and run, guest.must("logread"))
        guest.must("cp /root/right /etc/default/usbip-bind")
        guest.check_daemon("server", ["-i", "7", "-f", "/etc/rules"])
        guest.check_content()


def test_upgrade(guest):
    with lab.case("install.sh again: new daemons, the old options; who reads the disk notices nothing"):
        sequence, disk = guest.sequence(), guest.disk()
        guest.must(f"(while [ ! -e /run/enough ]; do dd if=/dev/{disk} iflag=direct bs=64k 2>&1 || break; "
                   "usleep 200000; done >/run/read; echo end >>/run/read) >/dev/null 2>&1 &")
        old = {role: guest.pid(role) for _, role in SERVICES}
        for _, role in SERVICES:
            guest.must(f"{INSTALL} {role}", 60)
            lab.check(guest.pid(role) != old[role], f"{role}: the old daemon")
        guest.must("touch /run/enough")
        output = guest.wait("grep -q end /run/read && cat /run/read", 60)
        lab.check("error" not in output and "records in" in output, output)
        guest.must("rm /run/enough /run/read")
        lab.check(guest.sequence() == sequence, "the disk was away")
        guest.check_daemon("server", ["-i", "7", "-f", "/etc/rules"])
        guest.check_daemon("client", ["127.0.0.1", "--rule", "deny class hid"])

    with lab.case("other options replace the old; one line each in inittab"):
        guest.must(f"{INSTALL} server -v && ./install.sh client 127.0.0.1 -i 2", 60)
        guest.must("rm /etc/rules /root/right")
        guest.check_daemon("server", ["-v"])
        guest.check_daemon("client", ["127.0.0.1", "-i", "2"])
        lab.check(guest.must("grep -c opt/usbip/run /etc/inittab") == "2\n", guest.must("cat /etc/inittab"))
        lab.check(guest.sequence() == sequence, "the disk was away")


def test_reboot(guest):
    with lab.case("a reboot: all comes back by itself"):
        guest.reboot()
        guest.plug_stick()
        guest.check_content()
        guest.check_daemon("client", ["127.0.0.1", "-i", "2"])
    with lab.case("a boot does not wait for a server that is away"):
        guest.must(f"{INSTALL} client 10.99.99.99 no-such-name.invalid", 60)
        guest.reboot()
        guest.check_daemon("client", ["10.99.99.99", "no-such-name.invalid"])
        guest.must(f"{INSTALL} client 127.0.0.1", 60)
        guest.plug_stick()
        guest.check_content()


def test_read_only(guest):
    with lab.case("on a read-only root nothing is done, and one line says so"):
        guest.must("mount -o remount,ro /")
        for role in "server", "client 127.0.0.1":
            one_line(guest.sh(f"{INSTALL} {role}"), "/etc cannot be written", "Read-only")
        guest.must("mount -o remount,rw /")
        guest.check_as_before()


def test_open_end(guest):
    with lab.case("an inittab whose last line has no end, of another owner, behind a link, is so again"):
        before = guest.must("cat /etc/inittab")
        guest.must("printf '# end' >>/etc/inittab && chmod 640 /etc/inittab && chown 7:8 /etc/inittab && "
                   "mv /etc/inittab /etc/it && ln -s it /etc/inittab")
        guest.remember()
        guest.must(f"{INSTALL} server && ./install.sh client 127.0.0.1", 60)
        guest.check_content()
        guest.must(f"{UNINSTALL} client && {UNINSTALL}", 120)
        lab.check(guest.must("cat /etc/it") == before + "# end", guest.must("cat /etc/it"))
        lab.check("/etc/it 7 8 640" in guest.must("stat -c '%n %u %g %a' /etc/it"), "another owner")
        lab.check(guest.must("readlink /etc/inittab") == "it\n", "no link")
        guest.must("rm /etc/inittab; grep -v '^# end' /etc/it >/etc/inittab; rm /etc/it")


def test_no_inittab(guest):
    with lab.case("without an inittab: one is made, a reboot works, and it is removed again"):
        guest.must("mv /root/rcS /etc/init.d/rcS && rm /etc/inittab")
        guest.reboot()
        guest.remember()
        shells = guest.must("pidof init")
        guest.plug_stick()
        guest.must(f"{INSTALL} server && ./install.sh client 127.0.0.1", 60)
        guest.check_content()
        lab.check(guest.must("pidof init") == shells, f"not {shells}: {guest.must('ps')}")
        guest.reboot()
        guest.plug_stick()
        guest.check_content()
        guest.must(UNINSTALL, 120)
        guest.wait("ls -l /sys/bus/usb/drivers/usb-storage | grep -q :1.0")
        guest.check_as_before()


def test_memory(kernel, workdir, tar):
    with lab.case("in a RAM disk it works, and install.sh says that a boot undoes it"), \
            lab.Guest("memory", kernel, workdir) as guest:
        guest.put(tar, "/root/usbiphp.tar")
        output = guest.must("cd /root && tar xf usbiphp.tar && cd usbiphp && ./install.sh server", 60)
        lab.check("not after a boot" in output and "every boot" not in output, output)
        guest.must("pidof usbiphp-server && /opt/usbip/uninstall.sh && [ ! -e /opt/usbip ]", 60)
        guest.wait("! pidof usbiphp-server")  # init fetches what has ended once a second
        lab.check(guest.must("cat /etc/inittab") == image.ETC["etc/inittab"], "another inittab")


if __name__ == "__main__":
    versions = [word for word in sys.argv[1:] if word != "--long"]
    for version in versions or ["6.1"]:
        with tempfile.TemporaryDirectory() as directory, \
                lab.case(f"{version}: the test ran to its end"):
            test(version, pathlib.Path(directory), "--long" in sys.argv)
    lab.finish()

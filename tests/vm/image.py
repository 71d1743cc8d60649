#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fetch Debian kernels and build the initramfs that the test guests boot."""

import contextlib
import fcntl
import hashlib
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("LAB_CACHE") or ROOT / "build" / "lab").resolve()

PROGRAMS = [ROOT / f"tests/vm/{name}.c" for name in ("uevents", "hold")]  # for the guests

KERNELS = {"6.1": "linux-image-amd64", "6.12": "linux-image-6.12-amd64",
           "6.1-arm64": "linux-image-arm64"}
# The newest of each of these is taken from a suite that is not this machine's.
SUITES = {"5.10": "bullseye", "6.18": "trixie-backports", "7.3": "trixie-backports"}
SOURCE = ("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
          "http://deb.debian.org/debian {suite} main\n")

# Loaded at boot, in this order.
BOOT_MODULES = """virtio_pci virtio_console virtio_net xhci_pci sd_mod usb_storage uas
    usbhid hid_generic evdev""".split()

# In the guest for `modprobe NAME`; what they depend on comes along.
MODULES = BOOT_MODULES + """usbip_host vhci_hcd usbip_vudc usbserial ftdi_sio cdc_acm
    cdc_ether usbnet rndis_host snd_usb_audio usbmon dummy_hcd configfs libcomposite usb_f_acm
    usb_f_mass_storage usb_f_hid sch_netem sch_tbf veth bridge 8021q ppp_async virtio_blk loop btrfs
    usb_f_ss_lb usbtest macvlan bonding team vrf vxlan ipip
    dm_mod dm_crypt raid1 autofs4 ext4 vfat nls_ascii nls_cp437 nls_iso8859_1 crc32c_generic bochs tls gcm ctr
    ghash_generic chacha20poly1305 chacha_generic poly1305_generic xts ecb aes_generic
    sha256_generic algif_skcipher aesni_intel chacha_x86_64 poly1305_x86_64 chacha
    crc32c_cryptoapi""".split()
# Only some kernels have these: x86_64's, those from 6.1 on, those before 6.18, or those after.
OPTIONAL = """bochs tls aesni_intel chacha_x86_64 poly1305_x86_64 crc32c_generic ghash_generic
    chacha_generic poly1305_generic aes_generic sha256_generic chacha crc32c_cryptoapi""".split()

# busybox init runs this once. The kernel's command line carries the guest's name and addresses,
# and the modules that this guest has not.
RC_S = """#!/bin/sh
forget() {
    rm "/lib/modules/$(uname -r)/$1.ko"
    sed -i "/^$1.ko:/d; / $1$/d" /lib/modules/*/modules.dep /lib/modules/*/modules.alias
}
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs run /run
mkdir -p /run/lock /run/lab
modprobe -a BOOT_MODULES
for word in $(cat /proc/cmdline); do
    case $word in
    lab.name=*) hostname "${word#*=}" ;;
    lab.addr=*) addrs=$(echo "${word#*=}" | tr , ' ') ;;
    lab.without=*) forget "${word#*=}" ;;
    esac
done
ip link set lo up
n=0
for addr in $addrs; do
    echo 0 >/proc/sys/net/ipv6/conf/eth$n/accept_dad
    ip addr add "$addr" dev eth$n
    ip link set eth$n up
    n=$((n + 1))
done
for port in /sys/class/virtio-ports/*; do
    ln -s "/dev/${port##*/}" "/run/lab/$(cat "$port/name")"
done
"""

# The command channel: "run ID LENGTH" or "put ID LENGTH PATH", a newline, LENGTH bytes.
# The answer is "ID STATUS LENGTH", a newline, LENGTH bytes. Each command is its own job, so a
# command that hangs does not take the channel with it; output goes to a file, so a daemon left
# behind does not hold up the answer.
AGENT = """#!/bin/sh
exec 3<>/run/lab/command
cd /run/lab
# No uevent may be missed from the first answer on.
until grep -q " 15 .* 00000001 " /proc/net/netlink; do usleep 10000; done
answer() {
    if [ -s "$1.out" ]; then
        { echo "$1 $2 $(stat -c %s "$1.out")"; cat "$1.out"; } >"$1.answer"
        dd if="$1.answer" bs=32k >&3 2>/dev/null
    else
        echo "$1 $2 0" >&3
    fi
    rm -f "$1".*
}
run_one() {
    (cd /; exec sh "/run/lab/$1.in") </dev/null >"$1.out" 2>&1 3>&-
    answer "$1" $?
}
: >0.out
answer 0 0
while read -r verb id length path <&3; do
    head -c "$length" <&3 >"$id.in"
    case $verb in
    put) mv "$id.in" "$path" >"$id.out" 2>&1; answer "$id" $? ;;
    run) run_one "$id" & ;;
    esac
done
"""

ETC = {
    "etc/rcS": RC_S.replace("BOOT_MODULES", " ".join(BOOT_MODULES)),
    "etc/agent": AGENT,
    "etc/events": "#!/bin/sh\nexec /bin/uevents >/run/lab/events\n",
    "etc/inittab": "::sysinit:/etc/rcS\n::once:/etc/events\n::once:/etc/agent\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n10.0.0.1 host\n10.0.0.2 client\n",
}


def run(*argv, **kwargs):
    """The standard output of a command that must succeed."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=900, **kwargs)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


@contextlib.contextmanager
def made_once(path):
    """Yield a temporary path to fill, or None if `path` is there; then rename it to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.parent / f".{path.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            yield None
            return
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".tmp-") as tmp:
            yield pathlib.Path(tmp) / path.name
            os.rename(pathlib.Path(tmp) / path.name, path)


def arch(kernel):
    """The architecture of a kernel's machines, as `uname -m` has it."""
    return "aarch64" if kernel.endswith("-arm64") else "x86_64"


def foreign(kernel):
    """Whether programs of this machine are none of the kernel's."""
    return arch(kernel) != "x86_64"


def apt(kernel, program, *words, cwd=None):
    """Run apt-get or apt-cache for a kernel's architecture and suite.

    Foreign ones and those of other suites have lists of their own: this machine's packages are not touched.
    """
    options, suite = [], SUITES.get(kernel)
    if foreign(kernel) or suite:
        name = "arm64" if foreign(kernel) else "amd64"
        state = CACHE / f"apt-{suite or name}"
        for directory in ("lists/partial", "archives/partial"):
            (state / directory).mkdir(parents=True, exist_ok=True)
        options = [f"-oDir::State={state}", f"-oDir::Cache={state}",
                   "-oDir::State::status=/dev/null", f"-oAPT::Architecture={name}",
                   f"-oAPT::Architectures={name}"]
    if suite:
        (state / "sources.list").write_text(SOURCE.format(suite=suite))
        options += [f"-oDir::Etc::sourcelist={state}/sources.list",
                    "-oDir::Etc::sourceparts=/dev/null"]
    return run(program, "-q", *options, *words, cwd=cwd)


def needs(kernel, package, kinds):
    """The packages of those kinds that a package needs."""
    text = apt(kernel, "apt-cache", "depends", package)
    return re.findall(rf"Depends: (linux-(?:{kinds})-\S+)", text)


def kernel_packages(kernel):
    """The packages that hold the kernel itself: one, or its parts. None if apt knows none."""
    if kernel not in SUITES:
        return needs(kernel, KERNELS[kernel], "image")
    names = apt(kernel, "apt-cache", "pkgnames", f"linux-image-{kernel}.").split()
    names = [x for x in names if re.fullmatch(r"linux-image-[\d.]+(\+deb|-)\d+-amd64", x)]
    newest = sorted(names, key=lambda x: [int(n) for n in re.findall(r"\d+", x)])[-1:]
    return [part for x in newest for part in needs(kernel, x, "base|binary|modules")] or newest


def download(kernel, directory):
    packages = kernel_packages(kernel)
    if not packages:
        raise RuntimeError(f"apt knows no Linux {kernel}")
    apt(kernel, "apt-get", "download", *packages, *["busybox-static"] * foreign(kernel), cwd=directory)


def fetch(kernel):
    """The directory with `kernel` and `modules/` of a Debian kernel ("6.1", "7.3"), or "kasan".

    With a foreign one ("6.1-arm64") comes its `busybox`.
    """
    if kernel == "kasan":
        import kasan  # which needs this module
        return kasan.fetch()
    wanted = hashlib.sha256(" ".join(MODULES).encode()).hexdigest()[:12]
    with made_once(CACHE / f"kernel-{kernel}-{wanted}") as out:
        if out:
            try:
                download(kernel, out.parent)
            except RuntimeError:
                apt(kernel, "apt-get", "update")
                download(kernel, out.parent)
            for deb in out.parent.glob("*.deb"):
                run("dpkg-deb", "-x", str(deb), str(out.parent / "x"))
            pick(out.parent / "x", out)
            if foreign(kernel):
                shutil.copy(out.parent / "x/bin/busybox", out)
    return CACHE / f"kernel-{kernel}-{wanted}"


def pick(tree, out):
    """Copy the kernel and the modules we want, uncompressed and with an index."""
    moddir, = tree.rglob("lib/modules/*")
    vmlinuz, = tree.rglob("vmlinuz*")
    out.mkdir()
    unpack_kernel(vmlinuz, out / "kernel")
    (out / "version").write_text(moddir.name + "\n")
    (out / "modules").mkdir()
    paths = {p.name.split(".ko")[0].replace("-", "_"): p for p in moddir.rglob("*.ko*")}
    builtin = (moddir / "modules.builtin").read_text().replace("-", "_")
    depends, aliases, todo = {}, [], list(MODULES)
    while todo:
        name = todo.pop()
        if name in depends or f"/{name}.ko" in builtin or \
                (name in OPTIONAL and name not in paths):
            continue
        data = paths[name].read_bytes()
        if paths[name].suffix == ".xz":
            data = lzma.decompress(data)
        (out / "modules" / f"{name}.ko").write_bytes(data)
        info = re.findall(rb"\0(alias|depends)=([^\0]*)", data)
        depends[name] = [d.replace("-", "_") for key, value in info if key == b"depends"
                         for d in value.decode().split(",") if d]
        aliases += [f"alias {value.decode()} {name}\n" for key, value in info if key == b"alias"]
        todo += depends[name]
    index = "".join(f"{name}.ko:{''.join(f' {d}.ko' for d in closure(name, depends))}\n"
                    for name in sorted(depends))
    (out / "modules" / "modules.dep").write_text(index)
    (out / "modules" / "modules.alias").write_text("".join(aliases))
    shutil.copy(moddir / "modules.builtin", out / "modules")


def unpack_kernel(vmlinuz, out):
    """Write the ELF image inside a bzImage: emulated machines take seconds to unpack it."""
    data = vmlinuz.read_bytes()
    if data[0x202:0x206] != b"HdrS":
        out.write_bytes(data)  # Debian's for arm64 is not packed
        return
    offset, length = struct.unpack_from("<II", data, 0x248)  # Documentation/arch/x86/boot.rst
    offset += (data[0x1f1] + 1) * 512
    payload = data[offset:offset + length]
    if payload.startswith(b"\xfd7zXZ"):
        out.write_bytes(lzma.LZMADecompressor().decompress(payload))
    elif shutil.which("zstd"):
        # The last four bytes are the length, which is no part of the stream.
        elf = subprocess.run(["zstd", "-dc"], input=payload[:-4], stdout=subprocess.PIPE,
                             check=True, timeout=60)
        out.write_bytes(elf.stdout)
    else:
        out.write_bytes(data)


def closure(name, depends):
    """All that `name` needs, nearest first: the order of modules.dep."""
    found = []
    for dep in depends.get(name, []):
        found += [dep] + closure(dep, depends)
    return [d for i, d in enumerate(found) if d in depends and d not in found[i + 1:]]


def cpio(entries):
    """A "newc" archive of (name, mode, data, rdev); parent directories are added."""
    out, seen = [], set()

    def add(name, mode, data=b"", rdev=(0, 0)):
        fields = (len(seen), mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0"
        out.append(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))
        seen.add(name)

    for name, *rest in entries:
        for parent in reversed(pathlib.PurePosixPath(name).parents[:-1]):
            if str(parent) not in seen:
                add(str(parent), 0o040755)
        add(name, *rest)
    add("TRAILER!!!", 0)
    return b"".join(out)


def file_entry(guest, host):
    """One archive entry for a file of this machine, with its mode."""
    host = pathlib.Path(host)
    return guest.lstrip("/"), 0o100000 | (host.stat().st_mode & 0o7777), host.read_bytes()


def file_entries(files):
    """The same file of this machine in a second place is a link there, as it is when installed."""
    first = {}
    for guest, host in files.items():
        if first.setdefault(host, guest) == guest:
            yield file_entry(guest, host)
        else:
            yield guest.lstrip("/"), 0o120777, first[host].encode()


def libraries(*programs):
    """What programs of this machine are linked to."""
    return sorted(set(re.findall(r"(/\S+) \(0x", run("ldd", *programs))))


def compiler(kernel):
    """The prefix of the compiler for a kernel's programs."""
    return f"{arch(kernel)}-linux-gnu-" if foreign(kernel) else ""


def product(kernel):
    """The product for a foreign kernel's machines: what USBIPHP_AARCH64 names, or built here."""
    given = os.environ.get(f"USBIPHP_{arch(kernel).upper()}")
    return pathlib.Path(given) if given else cross_built(kernel)


def cross(kernel):
    """What make is told to build the product for a foreign kernel's machines.

    Debian's cross compiler has glibc, which resolves no names in a static binary: use addresses.
    """
    return [f"CROSS_COMPILE={compiler(kernel)}", "LDFLAGS=-static -s"]


def cross_built(kernel):
    """The product, made in a copy of its sources and kept until they change."""
    directories = run("make", "-s", "rooms", cwd=ROOT).split()
    names = ["Makefile", "*.c", *(f"{directory}/*.[ch]" for directory in directories)]
    files = {file: file.read_bytes() for name in names for file in sorted(ROOT.glob(name))}
    stamp = hashlib.sha256(repr((cross(kernel), files)).encode()).hexdigest()[:12]
    with made_once(CACHE / f"usbiphp-{arch(kernel)}-{stamp}") as out:
        if out:
            tree = out.parent / "tree"
            for file, data in files.items():
                copy = tree / file.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(data)
            # Without what this machine's build is told.
            run("make", "-s", f"-j{os.cpu_count()}", *cross(kernel), "build/usbiphp", cwd=tree,
                env={"PATH": os.environ["PATH"]})
            shutil.copy(tree / "build/usbiphp", out)
    return CACHE / f"usbiphp-{arch(kernel)}-{stamp}"


def tools(kernel):
    """The stock tools, where the guest can run this machine's."""
    return () if foreign(kernel) else ("/usr/sbin/usbip", "/usr/sbin/usbipd")


def busybox(kernel):
    return fetch(kernel) / "busybox" if foreign(kernel) else pathlib.Path("/bin/busybox")


def build(name, directory, kernel):
    """A program for the guests with that kernel."""
    out = directory / name
    run(compiler(kernel) + "gcc", "-static", "-Os", "-s", "-o", str(out), str(ROOT / f"tests/vm/{name}.c"))
    return out


def base_entries(kernel):
    """What every guest has: busybox, the stock tools, modules, a few scripts."""
    directory = fetch(kernel)
    version = (directory / "version").read_text().strip()
    yield "dev/console", 0o020600, b"", (5, 1)
    for name in ("proc", "sys", "run", "root", "tmp"):
        yield name, 0o040755
    for name, target in (("init", "bin/busybox"), ("var/run", "/run"), ("var/lock", "/run/lock")):
        yield name, 0o120777, target.encode()
    yield file_entry("bin/busybox", busybox(kernel))
    for applet in run("/bin/busybox", "--list-full").split():
        if applet not in ("bin/busybox", "linuxrc"):
            yield applet, 0o120777, b"/bin/busybox"
    with tempfile.TemporaryDirectory() as tmp:
        for source in PROGRAMS:
            yield file_entry(f"bin/{source.stem}", build(source.stem, pathlib.Path(tmp), kernel))
    programs = tools(kernel)
    for path in (*programs, *(libraries(*programs) if programs else ())):
        yield file_entry(path, path)
    for module in sorted((directory / "modules").iterdir()):
        yield file_entry(f"lib/modules/{version}/{module.name}", module)
    for name, text in ETC.items():
        yield name, 0o100755, text.encode()


def initramfs(kernel, files, out):
    """Write the initramfs for `kernel` with `files` ({guest path: host path}) to `out`."""
    stamp = [path.read_bytes() for path in (pathlib.Path(__file__), *PROGRAMS)]
    stamp += [str(os.stat(p).st_mtime_ns).encode()
              for p in (*tools(kernel), busybox(kernel), fetch(kernel) / "kernel")]
    base = CACHE / f"base-{kernel}-{hashlib.sha256(b' '.join(stamp)).hexdigest()[:12]}.cpio"
    with made_once(base) as tmp:
        if tmp:
            tmp.write_bytes(cpio(base_entries(kernel)))
    with open(out, "wb") as image:
        image.write(base.read_bytes())
        image.write(cpio(file_entries(files)))

# SPDX-License-Identifier: MIT
"""The cost of a byte, and the time of a plug, over plain TCP, with keys, and through ssh."""

import pathlib
import re
import statistics
import struct
import subprocess
import time

import hotplug
import image
import lab
import variants

BYTES = 8 << 20
TURNS, REPEATS = 3, 2
IDLE = 10  # seconds: the daemons look at the world once
# QEMU executes `rep movsb` a byte at a time, so without it: copies are moves of 8 bytes.
CPU = "max,-erms"
NO_AES = f"{CPU},-aes,-pclmulqdq"
SERVER = "10.0.0.1"
SSH, SSHD, DROPBEAR = "/usr/bin/ssh", "/usr/sbin/sshd", "/usr/sbin/dropbear"
DROPBEAR_PORT = 2222
# At the host, once the client's watch is there: it waits 2 s for its first list.
WATCHED = ("for i in $(seq 30); do usleep 100000; netstat -tn | "
           "grep -qE '^tcp +[0-9]+ +[0-9]+ [^ ]+:3240 .*ESTABLISHED' || exit 1; done")


def run(*argv):
    return subprocess.run([str(x) for x in argv], check=True, capture_output=True, text=True).stdout


def keys(where):
    """What both ends need for ssh and for a connection with a key, as files of the guests."""
    where.mkdir(parents=True)
    for name in ("host", "id_ed25519"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", where / name)
    run("dropbearconvert", "openssh", "dropbear", where / "host", where / "dropbear")
    (where / "known_hosts").write_text(f"{SERVER},[{SERVER}]:{DROPBEAR_PORT} " +
                                       (where / "host.pub").read_text())
    (where / "id_ed25519.pub").rename(where / "authorized_keys")
    (where / "psk").write_text(run(variants.ROOT / "build" / "usbiphp", "psk", "laptop"))
    for file in where.iterdir():
        file.chmod(0o600)
    return {f"/root/.ssh/{file.name}": file for file in where.iterdir()}


def files(work):
    programs = (SSH, SSHD, DROPBEAR)
    return (variants.FILES | {x: x for x in (*programs, *image.libraries(*programs))} |
            keys(work / "keys"))


def prepare(host, client):
    """Both may use any transport; nothing has to be loaded any more."""
    variants.prepare({host: SERVER}, client)
    for guest in (host, client):
        guest.must("chmod 755 / /root; chmod 700 /root/.ssh; mkdir -p /run/sshd; "
                   "echo sshd:x:100:100::/run/sshd:/bin/false >>/etc/passwd; "
                   "modprobe -a tls gcm chacha20poly1305 chacha_x86_64 poly1305_x86_64; "
                   "! grep -qw aes /proc/cpuinfo || modprobe aesni_intel")
    host.must(f"{SSHD} -f /dev/null -h /root/.ssh/host -o UsePAM=no -o PidFile=none; "
              f"{DROPBEAR} -E -s -p {DROPBEAR_PORT} -r /root/.ssh/dropbear 2>/dev/null")


def start_plain(hosts, client):
    variants.start_ours(hosts, client)
    watched(hosts)


def start_psk(hosts, client, kernel_tls=True):
    """Without: a process of ours encrypts at each end."""
    for guest in (*hosts, client):
        guest.must("modprobe tls" if kernel_tls else
                   "! grep -q ^tls /proc/modules || rmmod tls; mv /lib/modules/*/tls.ko /root")
    for host in hosts:
        variants.start(host, "usbiphp-server --psk /root/.ssh/psk")
    variants.start(client, f"usbiphp-client --psk /root/.ssh/psk {SERVER}")
    watched(hosts)
    for guest in () if kernel_tls else (*hosts, client):
        guest.must("mv /root/tls.ko /lib/modules/*/")


def start_psk_user(hosts, client):
    start_psk(hosts, client, kernel_tls=False)


def start_ssh(hosts, client, cipher="", port=22):
    for host in hosts:
        variants.start(host, "usbiphp-server --listen 127.0.0.1")
    client.must(f"echo '{cipher}' >/root/.ssh/config")
    variants.start(client, f"usbiphp-client ssh://root@{SERVER}:{port}")
    watched(hosts)


def start_ssh_aes(hosts, client):
    start_ssh(hosts, client, "Ciphers aes128-gcm@openssh.com")


def start_dropbear(hosts, client):
    start_ssh(hosts, client, port=DROPBEAR_PORT)


def watched(hosts):
    for host in hosts:
        host.wait(WATCHED, 60)


USER = "psk, no kernel tls"
STARTS = {"plain": start_plain, "psk": start_psk, USER: start_psk_user, "ssh": start_ssh, "ssh, AES": start_ssh_aes,
          "ssh to dropbear": start_dropbear}


def kernel_cipher(guest):
    """The driver of the one AEAD that is in use."""
    text = guest.must("cat /proc/crypto")
    found = [dict(re.findall(r"^(\w+) +: (.+)$", x, re.M)) for x in text.split("\n\n")]
    used = {x["driver"] for x in found if x.get("type") == "aead" and x["internal"] == "no" and
            int(x["refcnt"]) > 1}
    lab.check(len(used) == 1, f"ciphers in use: {used}")
    return used.pop()


def ssh_version():
    said = subprocess.run([SSH, "-V"], stderr=subprocess.PIPE, text=True, check=True).stderr
    return said.split()[0].replace("_", " ")


def ssh_cipher(client, port):
    text = client.must(f"ssh -v -p {port} root@{SERVER} true 2>&1", 60)
    return re.search(r"server->client cipher: (\S+)", text)[1]


def cipher(name, host, client):
    """What encrypts; the same at both ends."""
    if name == "plain":
        return "none"
    if name == USER:
        return "AES-128-GCM" if "aes" in host.must("grep -m1 flags /proc/cpuinfo").split() else \
            "ChaCha20-Poly1305"
    if name != "psk":
        return ssh_cipher(client, DROPBEAR_PORT if "dropbear" in name else 22)
    one, other = kernel_cipher(host), kernel_cipher(client)
    lab.check(one == other, f"{one} at the host, {other} at the client")
    return one


class Counter:
    """The instructions that guests have executed."""

    def __init__(self, work):
        self.work, self.plugin = work, work / "count.so"
        run("gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-shared", "-fPIC", "-o", self.plugin,
            pathlib.Path(__file__).with_name("count.c"))

    def words(self, name):
        """For the QEMU of the guest of that name."""
        return ["-plugin", f"{self.plugin},into={self.work}/{name}.count"]

    def now(self, *guests):
        return [struct.unpack("Q", (self.work / f"{x.name}.count").read_bytes())[0]
                for x in guests]

    def of(self, host, client, command):
        """At the host, and at the client, which runs the command; and the seconds that takes."""
        before = *self.now(host, client), time.monotonic()
        client.must(command, 300)
        return [b - a for a, b in zip(before, (*self.now(host, client), time.monotonic()))]


def per_byte(counter, host, client, dd):
    """Of a byte: instructions at the host and at the client, seconds. To copy none is taken off."""
    nothing = counter.of(host, client, f"{dd} count=0 2>/dev/null")
    found = counter.of(host, client, f"{dd} count={BYTES >> 20} 2>/dev/null")
    return [(a - b) / BYTES for a, b in zip(found, nothing)]


def transfers(counter, name, host, client, stick, found):
    """A transport is started, a stick attached, read and written; adds what each repeat took."""
    hosts = {host: SERVER}
    STARTS[name](hosts, client)
    host.plug("stick", "usb-storage", image=stick)
    disk = "/dev/" + client.wait(variants.attached_disk(BYTES), 60).strip()
    found["cipher"] = cipher(name, host, client)
    for what, dd in (("read", f"dd if={disk} of=/dev/null bs=1M iflag=direct"),
                     ("write", f"dd if=/dev/zero of={disk} bs=1M oflag=direct")):
        per_byte(counter, host, client, dd)  # TCP finds its windows
        found[what] += [per_byte(counter, host, client, dd) for _ in range(REPEATS)]
    if not found["idle"]:
        used = counter.of(host, client, f"sleep {IDLE}")
        found["idle"] = sum(used[:2]) / used[2]
    host.unplug("stick")
    client.wait(f"test $({variants.ATTACHED}) = 0", 60)
    variants.stop(hosts, client)


def costs(kernel, work):
    """{kind of processor: {transport: its cipher, and what per_byte() said of each repeat}}."""
    stick = work / "big-stick"
    stick.write_bytes(bytes(BYTES))
    counter, copies, found = Counter(work), files(work), {}
    for kind, cpu, names in (("AES", CPU, STARTS), ("no AES", NO_AES, ("plain", "psk", USER, "ssh"))):
        found[kind] = {name: {"read": [], "write": [], "idle": 0} for name in names}
        with lab.pair(kernel, work, files=copies,
                      more=lambda name: ["-cpu", cpu, *counter.words(name)]) as (host, client):
            prepare(host, client)
            for _ in range(TURNS):
                for name, one in found[kind].items():
                    transfers(counter, name, host, client, stick, one)
    return found


def latency(kernel, work):
    """{transport: a list of hotplug.plug()'s answers}; the transports take turns."""
    stick = work / "small-stick"
    stick.write_bytes(bytes(1 << 20))
    found = {name: [] for name in ("plain", "psk", "ssh")}
    with lab.pair(kernel, work, files=files(work / "latency"),
                  more=["-cpu", CPU]) as (host, client):
        prepare(host, client)
        client.must(hotplug.MARK_ATTACH)
        for _ in range(hotplug.ROUNDS):
            for name, rounds in found.items():
                rounds.append(hotplug.one_start(STARTS[name], {host: SERVER}, client, stick))
    return found


def sums(repeats):
    return [host + client for host, client, _ in repeats]


def idle(found):
    """The most instructions of both ends in an idle second, in millions; in %, of any transfer."""
    every = [one for kind in found.values() for one in kind.values()]
    most = max(one["idle"] for one in every)
    share = max(most * seconds / (host + client) for one in every for what in ("read", "write")
                for host, client, seconds in one[what])
    return most / 1e6, 100 * share


def costs_table(found, what):
    """Rows: processor, transport, cipher; host, client, sum, spread; what the sum is to others'."""
    rows = []
    for kind, transports in found.items():
        middle = {name: statistics.median(sums(one[what])) for name, one in transports.items()}
        for name, one in transports.items():
            ends = [statistics.median(x) for x in list(zip(*one[what]))[:2]]
            spread = max(sums(one[what])) - min(sums(one[what]))
            rows.append([kind, name, one["cipher"], *(f"{x:.1f}" for x in (*ends, middle[name])),
                         f"{100 * spread / middle[name]:.0f} %",
                         *(f"{middle[name] / middle[x]:.2f}" for x in ("plain", "ssh")),
                         f"{middle['psk'] / middle[name]:.2f}"])
    return rows


def latency_table(found):
    """Rows: transport; median and worst of each number; the median of usable to plain's."""
    plain = statistics.median(r["usable"] for r in found["plain"])
    rows = []
    for name, rounds in found.items():
        row = [name]
        for what in ("added", "usable", "tools", "kernels"):
            row += hotplug.middle_and_worst([r[what] for r in rounds])
        usable = statistics.median(r["usable"] for r in rounds)
        rows.append([*row, f"{usable / plain:.2f}"])
    return rows

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""TLS of our own against OpenSSL's: handshakes in both directions, and every primitive.

The kernel is not involved: tests/tls_peer is one end of a connection, tests/tls_tool computes.
`t_tls.py record` writes tests/fixtures/tls/ again.
"""

import contextlib
import errno
import os
import pathlib
import random
import select
import socket
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "vm")]

from lab import case, check, finish  # noqa: E402
from t_network import free_port  # noqa: E402

SECONDS = 60  # for any one program
KEY = bytes(range(7, 39)).hex()
RECORDED = "00112233445566778899aabbccddeeff"  # the key of the fixtures
SUITES = {"aes": "TLS_AES_128_GCM_SHA256", "chacha": "TLS_CHACHA20_POLY1305_SHA256"}
RECORD_TEXT_MAX = 16384  # RFC 8446 5.1
ROUNDS = 12  # of every primitive, with random sizes
PRIVATE = bytes.fromhex("302e020100300506032b656e04220420")  # RFC 8410 7, and the key
PUBLIC = bytes.fromhex("302a300506032b656e032100")  # RFC 8410 4, and the key


def build(work, name):
    left_out = "ktls.c",
    sources = [x for x in sorted((ROOT / "tls").glob("*.c")) if x.name not in left_out]
    sources += [ROOT / "proto/wire.c", *(ROOT / "lib" / x for x in ("str.c", "file.c", "log.c"))]
    subprocess.run(["gcc", "-std=c11", "-O1", "-g", "-fsanitize=address,undefined",
                    "-fno-sanitize-recover=all", "-D_GNU_SOURCE", f"-I{ROOT}", "-o", work / name,
                    ROOT / f"tests/{name}.c", *sources],
                   check=True, timeout=300)
    return work / name


def openssl(*words, text=b""):
    done = subprocess.run(["openssl", *map(str, words)], input=text, capture_output=True,
                          timeout=SECONDS, check=False)
    check(done.returncode == 0, f"openssl {words[0]}: {done.stderr.decode(errors='replace')}")
    return done.stdout


@contextlib.contextmanager
def program(*argv, until=None):
    """One that runs beside us, once it has said so on standard error or output.

    It is ended in time: a pipe of it that is read does not stay open for ever.
    """
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT if until == b"ACCEPT" else
                               subprocess.PIPE)
    limit = threading.Timer(SECONDS, process.kill)
    limit.start()
    try:
        stream = process.stdout if until == b"ACCEPT" else process.stderr
        while until and until not in (line := stream.readline()):
            check(line, f"{argv[0]} has ended")
        yield process
    finally:
        limit.cancel()
        process.kill()
        process.communicate()


def last_words(peer, words=b"from usbiphp\n"):
    """Not none at all: an empty record leaves s_client waiting in read(), deaf to its input."""
    peer.stdin.write(words)
    peer.stdin.close()


def our_client(peer, port, identity, key, ours):
    done = subprocess.run([peer, "client", port, identity, key, ours], input=b"stick\n",
                          capture_output=True, timeout=SECONDS, check=False)
    return done.stdout.decode()


def client_meets_server(peer, ours, theirs, identity="laptop", key=KEY, want=None, *more):
    """tests/tls_peer and `openssl s_server`, which sends each line back in reverse."""
    port = str(free_port())
    with program("openssl", "s_server", "-tls1_3", "-psk", KEY, "-psk_identity", "laptop", "-nocert",
                 "-accept", f"127.0.0.1:{port}", "-rev", "-ciphersuites",
                 ":".join(SUITES[x] for x in theirs), *more, until=b"ACCEPT"):
        said = our_client(peer, port, identity, key, ours)
    want = want or f"{theirs[0]}\nkcits\n"
    check(said == want, f"it says {said!r}, not {want!r}")


def server_meets_client(peer, ours, theirs, identity="laptop", key=KEY, want=None):
    """tests/tls_peer and `openssl s_client`."""
    port = str(free_port())
    with program(peer, "server", port, identity, key, ours, until=b"listening") as server:
        last_words(server)
        with program("openssl", "s_client", "-tls1_3", "-psk", KEY, "-psk_identity", "laptop",
                     "-connect", f"127.0.0.1:{port}", "-quiet", "-ciphersuites",
                     ":".join(SUITES[x] for x in theirs)) as client:
            client.stdin.write(b"from openssl\n")
            client.stdin.flush()
            said = server.stdout.read().decode()
            if not want:
                check(client.stdout.readline() == b"from usbiphp\n", "OpenSSL has not got it")
        server.wait(SECONDS)
        server.stdin = None
    want = want or f"{theirs[0]}\nfrom openssl\n"
    check(said == want, f"it says {said!r}, not {want!r}")


def longest(peer, suite):
    """One record of 16384 bytes from us, and one of 8192, which is what s_client reads at once."""
    port = str(free_port())
    text = bytes(range(32, 127)) * (RECORD_TEXT_MAX // 95 + 1)
    lines = [first + text[:RECORD_TEXT_MAX - 2] + b"\n" for first in (b"<", b">")]
    with program(peer, "server", port, "laptop", KEY, "aes", until=b"listening") as server:
        last_words(server, lines[0])
        with program("openssl", "s_client", "-tls1_3", "-psk", KEY, "-psk_identity", "laptop",
                     "-connect", f"127.0.0.1:{port}", "-quiet", "-ciphersuites", SUITES[suite]) as client:
            client.stdin.write(lines[1])
            client.stdin.flush()
            said = server.stdout.read()
            check(client.stdout.readline() == lines[0], "OpenSSL has not got it")
        server.wait(SECONDS)
        server.stdin = None
    suite, _, line = said.partition(b"\n")
    check(line == lines[1][:8192], f"it says {len(line)} bytes: {line[:40]!r}")


def handshakes(peer):
    for suite in SUITES:
        with case(f"tls: our client, OpenSSL's server, {suite}"):
            client_meets_server(peer, "aes", [suite])
        with case(f"tls: our server, OpenSSL's client, {suite}"):
            server_meets_client(peer, "aes", [suite])
    with case("tls: one that has no AES takes the other suite"):
        client_meets_server(peer, "chacha", ["chacha", "aes"])
        server_meets_client(peer, "chacha", ["chacha", "aes"])
    with case("tls: OpenSSL's client offers more than we know"):
        port = str(free_port())
        with program(peer, "server", port, "laptop", KEY, "aes", until=b"listening") as server:
            last_words(server)
            with program("openssl", "s_client", "-tls1_3", "-psk", KEY, "-psk_identity", "laptop",
                         "-connect", f"127.0.0.1:{port}", "-quiet", "-alpn", "h2,http/1.1",
                         "-servername", "pi.lan", "-groups", "X25519:P-256") as client:
                client.stdin.write(b"x\n")
                client.stdin.flush()
                said = server.stdout.read()
            check(said == b"aes\nx\n", said)
            server.stdin = None
    for suite in SUITES:
        with case(f"tls: the longest records, {suite}"):
            longest(peer, suite)
    with case("tls: no tickets, and many"):
        client_meets_server(peer, "aes", ["aes"], "laptop", KEY, None, "-num_tickets", "0")
        client_meets_server(peer, "aes", ["aes"], "laptop", KEY, None, "-num_tickets", "5")
    # OpenSSL does not say that the keys differ: illegal_parameter, handshake_failure
    refused, other = f"failed: {-errno.EBADMSG}\n", KEY[:-1] + "0"
    with case("tls: a wrong key, an unknown identity"):
        client_meets_server(peer, "aes", ["aes"], "laptop", other, refused)
        client_meets_server(peer, "aes", ["aes"], "tablet", KEY, refused)
        server_meets_client(peer, "aes", ["aes"], "laptop", other, f"failed: {-errno.EACCES}\n")
        server_meets_client(peer, "aes", ["aes"], "tablet", KEY, f"failed: {-errno.ENOKEY}\n")
    with case("tls: a server that wants another group is refused"):
        client_meets_server(peer, "aes", ["aes"], "laptop", KEY, refused, "-groups", "P-256")


class Relay(threading.Thread):
    """Between a client and the server at a port: what either has said."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = str(self.listener.getsockname()[1])
        self.server = int(port)
        self.said = [b"", b""]  # the client, the server
        self.start()

    def run(self):
        ends = [self.listener.accept()[0], socket.create_connection(("127.0.0.1", self.server))]
        while True:
            for sock in select.select(ends, [], [])[0]:
                which = ends.index(sock)
                data = sock.recv(65536)
                if not data:
                    for end in ends:
                        with contextlib.suppress(OSError):
                            end.shutdown(socket.SHUT_RDWR)
                    return
                self.said[which] += data
                ends[1 - which].sendall(data)


def records(data):
    while data:
        size = 5 + int.from_bytes(data[3:5], "big")
        yield data[:size]
        data = data[size:]


def write_hex(path, comment, parts):
    """parts: (comment, bytes)."""
    lines = [f"# {comment}"]
    for words, data in parts:
        lines += ["", f"# {words}", *(data[i:i + 32].hex(" ", 4) for i in range(0, len(data), 32))]
    path.write_text("\n".join(lines) + "\n")


def recorded(said, upto):
    """The records of a handshake: the first so many that are no change_cipher_spec, and those."""
    kept, seen = [], 0
    for record in records(said):
        kept.append(({20: "change_cipher_spec", 22: "a hello", 23: "encrypted"}[record[0]], record))
        seen += record[0] != 20
        if seen == upto:
            return kept
    raise AssertionError("too few records")


def record(peer, work):
    """One handshake for each role and suite, with fixed random bytes of ours."""
    out = ROOT / "tests" / "fixtures" / "tls"
    out.mkdir(exist_ok=True)
    rand = bytes(range(64))
    for role in ("client", "server"):
        for suite in SUITES:
            log = work / f"{role}-{suite}"
            port = str(free_port())
            ours = {**os.environ, "TLS_RANDOM": rand.hex()}
            theirs = ["-tls1_3", "-psk", RECORDED, "-psk_identity", "laptop", "-keylogfile", log,
                      "-ciphersuites", SUITES[suite]]
            if role == "client":
                with program("openssl", "s_server", *theirs, "-nocert", "-accept",
                             f"127.0.0.1:{port}", "-rev", until=b"ACCEPT"):
                    relay = Relay(port)
                    subprocess.run([peer, role, relay.port, "laptop", RECORDED, "aes"], env=ours,
                                   input=b"stick\n", check=True, timeout=SECONDS)
            else:
                os.environ["TLS_RANDOM"] = rand.hex()
                with program(peer, role, port, "laptop", RECORDED, "aes", until=b"listening") as us:
                    del os.environ["TLS_RANDOM"]
                    last_words(us)
                    relay = Relay(port)
                    with program("openssl", "s_client", *theirs, "-connect",
                                 f"127.0.0.1:{relay.port}", "-quiet") as client:
                        client.stdin.write(b"x\n")
                        client.stdin.flush()
                        us.stdout.read()
                    us.stdin = None
            name = f"{role}_{suite}"
            with_openssl = f"our {role}, with OpenSSL 3, {SUITES[suite]}: what"
            said = dict(zip(("client", "server"), relay.said))
            other = "server" if role == "client" else "client"
            write_hex(out / f"{name}_ours.hex", f"{with_openssl} we say",
                      recorded(said[role], 2))
            write_hex(out / f"{name}_theirs.hex", f"{with_openssl} it says",
                      recorded(said[other], 2 if other == "client" else 3))
            keys = dict(x.split()[::2] for x in log.read_text().splitlines() if x[0] != "#")
            write_hex(out / f"{name}_secrets.hex", f"{with_openssl} is secret", [
                ("our random bytes", rand),
                *((label, bytes.fromhex(keys[label])) for label in (
                    "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                    "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"))])


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, what, *values):
        line = " ".join([what, *(x.hex() or "-" for x in values)])
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return bytes.fromhex(self.process.stdout.readline().decode())

    def close(self):
        self.process.stdin.close()
        check(self.process.wait(SECONDS) == 0, "it ended badly")


def mac(*words, text):
    return bytes.fromhex(openssl("mac", *words, text=text).decode())


def padded(text):
    return text + bytes(-len(text) % 16)


def primitives(tool, work):
    some = random.Random(20240917)  # the same ones every time

    def sizes():
        return [0, 1, 15, 16, 17, 55, 56, 63, 64, 65][:ROUNDS] + [some.randrange(2000)
                                                                 for _ in range(ROUNDS - 10)]

    with case("tls: SHA-256 and HMAC are OpenSSL's"):
        for size in sizes():
            text, key = some.randbytes(size), some.randbytes(1 + size % 32)
            check(tool("sha256", text) == openssl("dgst", "-sha256", "-binary", text=text), size)
            check(tool("hmac", key, text) == mac("-digest", "SHA256", "-macopt",
                                                 f"hexkey:{key.hex()}", "HMAC", text=text), size)

    with case("tls: X25519 is OpenSSL's"):
        for _ in range(ROUNDS):
            ours, theirs = some.randbytes(32), some.randbytes(32)
            (work / "ours").write_bytes(PRIVATE + ours)
            point = openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER",
                            text=PRIVATE + theirs)[-32:]
            check(tool("public", theirs) == point, theirs.hex())
            (work / "theirs").write_bytes(PUBLIC + point)
            check(tool("x25519", ours, point) ==
                  openssl("pkeyutl", "-derive", "-keyform", "DER", "-inkey", work / "ours",
                          "-peerform", "DER", "-peerkey", work / "theirs"), ours.hex())

    with case("tls: ChaCha20 and Poly1305 are OpenSSL's"):
        for size in sizes():
            key, nonce = some.randbytes(32), some.randbytes(12)
            text, additional = some.randbytes(size), some.randbytes(size % 40)

            def stream(first, plain):
                return openssl("enc", "-chacha20", "-K", key.hex(), "-iv",
                               first.to_bytes(4, "little").hex() + nonce.hex(), text=plain)

            sealed = stream(1, text) if text else b""
            tag = mac("-macopt", f"hexkey:{stream(0, bytes(32)).hex()}", "Poly1305",
                      text=padded(additional) + padded(sealed) +
                      len(additional).to_bytes(8, "little") + size.to_bytes(8, "little"))
            check(tool("chacha", key, nonce, additional, text) == sealed + tag, size)

    with case("tls: AES in its counter mode, and GMAC, are OpenSSL's"):
        for size in sizes():
            key, nonce = some.randbytes(16), some.randbytes(12)
            text, additional = some.randbytes(size), some.randbytes(1 + size % 400)
            sealed = openssl("enc", "-aes-128-ctr", "-K", key.hex(), "-iv",
                             nonce.hex() + "00000002", text=text) if text else b""
            check(tool("aes", key, nonce, additional, text)[:size] == sealed, size)
            check(tool("aes", key, nonce, additional, b"") ==
                  mac("-cipher", "AES-128-GCM", "-macopt", f"hexkey:{key.hex()}", "-macopt",
                      f"hexiv:{nonce.hex()}", "GMAC", text=additional), size)


def main():
    with tempfile.TemporaryDirectory() as directory:
        work = pathlib.Path(directory)
        if sys.argv[1:] == ["record"]:
            record(build(work, "tls_peer"), work)
            return
        handshakes(build(work, "tls_peer"))
        tool = Tool(build(work, "tls_tool"))
        primitives(tool, work)
        with case("tls: the tool ends well"):
            tool.close()
    finish()


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: MIT
"""TLS 1.3 with a pre-shared key (psk_dhe_ke, X25519, ChaCha20-Poly1305), both roles, in plain Python:
for peers that are to do what no library does. Numbers in comments are sections of RFC 8446.

It checks what the other end proves, and nothing else. It is slow, and no secret of it is safe.
"""

import hashlib
import hmac
import os
import struct

CCS, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO, EXTENSIONS, FINISHED = 1, 2, 8, 20
CHACHA, AES = 0x1303, 0x1301
P = 2 ** 255 - 19
BASE = b"\x09" + bytes(31)


class Refused(Exception):
    """The other end does not prove what it has to prove."""


def x25519(scalar, point):
    """RFC 7748 5."""
    k = int.from_bytes(scalar, "little") & ~7 & ~(1 << 255) | 1 << 254
    u = int.from_bytes(point, "little") & ~(1 << 255)
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for bit in range(254, -1, -1):
        if swap ^ (k >> bit & 1):
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = k >> bit & 1
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def chacha20(key, counter, nonce, text):
    """RFC 8439 2.4."""
    def quarter(s, a, b, c, d):
        for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xffffffff
            s[z] = (s[z] ^ s[x]) << bits & 0xffffffff | (s[z] ^ s[x]) >> 32 - bits

    out = b""
    for at in range(0, len(text), 64):
        begin = [*struct.unpack("<4I8I", b"expand 32-byte k" + key), counter + at // 64,
                 *struct.unpack("<3I", nonce)]
        s = begin[:]
        for _ in range(10):
            for i in range(4):
                quarter(s, i, 4 + i, 8 + i, 12 + i)
            for i in range(4):
                quarter(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
        stream = struct.pack("<16I", *((x + y) & 0xffffffff for x, y in zip(s, begin)))
        out += bytes(x ^ y for x, y in zip(text[at:at + 64], stream))
    return out


def tag(key, nonce, additional, sealed):
    """RFC 8439 2.8."""
    one_time = chacha20(key, 0, nonce, bytes(32))
    r = int.from_bytes(one_time[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    s, total = int.from_bytes(one_time[16:], "little"), 0
    text = (additional + bytes(-len(additional) % 16) + sealed + bytes(-len(sealed) % 16) +
            struct.pack("<QQ", len(additional), len(sealed)))
    for at in range(0, len(text), 16):
        total = (total + int.from_bytes(text[at:at + 16] + b"\1", "little")) * r % (2 ** 130 - 5)
    return ((total + s) % 2 ** 128).to_bytes(16, "little")


def label(secret, name, context=b"", length=32):
    """7.1: HKDF-Expand-Label, of 32 bytes at most."""
    info = struct.pack(">HB", length, 6 + len(name)) + b"tls13 " + name + bytes([len(context)])
    return hmac.digest(secret, info + context + b"\1", "sha256")[:length]


def digest(*messages):
    return hashlib.sha256(b"".join(messages)).digest()


def finished(secret, *messages):
    return hmac.digest(label(secret, b"finished"), digest(*messages), "sha256")


def record(kind, body, version=0x0303):
    return struct.pack(">BHH", kind, version, len(body)) + body


def message(kind, body):
    return struct.pack(">I", kind << 24 | len(body)) + body


def vector(body, size=2):
    return len(body).to_bytes(size, "big") + body


def extension(kind, body):
    return struct.pack(">H", kind) + vector(body)


class Direction:
    """The protection of what one end sends."""

    def __init__(self, secret):
        self.secret, self.sequence = secret, 0
        self.key, self.iv = label(secret, b"key"), label(secret, b"iv", length=12)

    def nonce(self):
        sequence, self.sequence = self.sequence, self.sequence + 1
        return bytes(a ^ b for a, b in zip(self.iv, sequence.to_bytes(12, "big")))

    def seal(self, kind, text):
        nonce, text = self.nonce(), text + bytes([kind])
        header = struct.pack(">BHH", DATA, 0x0303, len(text) + 16)
        sealed = chacha20(self.key, 1, nonce, text)
        return header + sealed + tag(self.key, nonce, header, sealed)

    def open(self, data):
        """The type and the text of a record."""
        nonce, sealed = self.nonce(), data[5:-16]
        if data[0] != DATA or tag(self.key, nonce, data[:5], sealed) != data[-16:]:
            raise Refused(f"a record of type {data[0]} is forged")
        text = chacha20(self.key, 1, nonce, sealed).rstrip(b"\0")
        return text[-1], text[:-1]


class End:
    """What both roles know."""

    def __init__(self, identity, key):
        self.identity, self.key = identity.encode(), bytes.fromhex(key)
        self.private, self.random = os.urandom(32), os.urandom(32)
        self.early = hmac.digest(bytes(32), self.key, "sha256")
        self.master = self.said = b""
        self.client = self.server = None  # a Direction

    def binder(self, hello):
        """4.2.11.2: of a hello that ends before its binders."""
        return finished(label(self.early, b"ext binder", digest()), hello)

    def agree(self, share, hellos):
        shared = x25519(self.private, share)
        secret = hmac.digest(label(self.early, b"derived", digest()), shared, "sha256")
        self.client = Direction(label(secret, b"c hs traffic", digest(hellos)))
        self.server = Direction(label(secret, b"s hs traffic", digest(hellos)))
        self.master = hmac.digest(label(secret, b"derived", digest()), bytes(32), "sha256")
        self.said = hellos

    def protect_data(self):
        """self.said ends with the server's Finished."""
        self.client = Direction(label(self.master, b"c ap traffic", digest(self.said)))
        self.server = Direction(label(self.master, b"s ap traffic", digest(self.said)))


class Client(End):
    def hello(self, others=(), suites=(CHACHA,), session=b"", modes=b"\1", more=b"", share=None):
        """The message. others are names of keys before ours, which we do not have; more are
        extensions before the last one."""
        names = [*others, self.identity]
        parts = b"".join(vector(name) + bytes(4) for name in names)
        binders = 33 * len(names)
        last = struct.pack(">HH", 41, 2 + len(parts) + 2 + binders) + vector(parts)
        share = x25519(self.private, BASE) if share is None else share
        extensions = (extension(43, vector(b"\3\4", 1)) + extension(10, vector(b"\0\x1d")) +
                      extension(45, vector(modes, 1)) + more +
                      extension(51, vector(b"\0\x1d" + vector(share))) + last)
        body = (b"\3\3" + self.random + vector(session, 1) +
                vector(b"".join(x.to_bytes(2, "big") for x in suites)) + b"\1\0" +
                (len(extensions) + 2 + binders).to_bytes(2, "big") + extensions)
        head = struct.pack(">I", CLIENT_HELLO << 24 | len(body) + 2 + binders)
        begin = head + body
        junk = (b"\x20" + bytes(32)) * len(others)
        self.said = begin + vector(junk + vector(self.binder(begin), 1))
        return self.said

    def take_hello(self, data):
        """The server's hello, without the header of its record; its share has a fixed place."""
        if data[:1] != bytes([SERVER_HELLO]):
            raise Refused(f"no hello: {data[:8].hex()}")
        at = 4 + 2 + 32 + 1 + data[38] + 2 + 1 + 2
        extensions, found = data[at:], {}
        while extensions:
            kind, size = struct.unpack_from(">HH", extensions)
            found[kind], extensions = extensions[4:4 + size], extensions[4 + size:]
        self.agree(found[51][4:], self.said + data)

    def take_flight(self, data):
        """A record with EncryptedExtensions and Finished. Returns our Finished, as a record."""
        kind, text = self.server.open(data)
        extensions, proof = text[:-36], text[-32:]
        if kind != HANDSHAKE or proof != finished(self.server.secret, self.said, extensions):
            raise Refused("the server does not prove that it has the key")
        self.said += text
        mine = message(FINISHED, finished(self.client.secret, self.said))
        done = self.client.seal(HANDSHAKE, mine)
        self.protect_data()
        return done


class Server(End):
    def take_hello(self, data):
        """A client's hello, a message: that of a client with our key, and only ours."""
        self.said, at = data, 4 + 2 + 32
        at += 1 + data[at]
        at += 2 + int.from_bytes(data[at:at + 2], "big")
        at += 1 + data[at] + 2
        found, rest = {}, data[at:]
        while rest:
            kind, size = struct.unpack_from(">HH", rest)
            found[kind], rest = rest[4:4 + size], rest[4 + size:]
        if (found[41][4:-39] != self.identity or
                found[41][-32:] != self.binder(data[:-35])):
            raise Refused("the client does not prove that it has the key")
        self.share = found[51][-32:]

    def hello(self, suite=CHACHA, share=None, session=b"", index=0, version=0x0304, more=b"",
              compression=b"\0"):
        """The message that answers; the keys are there then."""
        share = x25519(self.private, BASE) if share is None else share
        extensions = (extension(43, version.to_bytes(2, "big")) +
                      extension(51, b"\0\x1d" + vector(share)) + more +
                      extension(41, index.to_bytes(2, "big")))
        mine = message(SERVER_HELLO, b"\3\3" + self.random + vector(session, 1) +
                       suite.to_bytes(2, "big") + compression + vector(extensions))
        self.agree(self.share, self.said + mine)
        return mine

    def flight(self, extensions=b"\x08\0\0\2\0\0"):
        """EncryptedExtensions and Finished, two messages."""
        mine = extensions + message(FINISHED, finished(self.server.secret, self.said, extensions))
        self.said += mine
        return mine

    def take_finished(self, data):
        """The client's last record of the handshake."""
        kind, text = self.client.open(data)
        if kind != HANDSHAKE or text != message(FINISHED, finished(self.client.secret, self.said)):
            raise Refused("the client's Finished is wrong")
        self.protect_data()

# SPDX-License-Identifier: MIT
"""Hostile clients: what is done to a server, each a small function in the tables at the end.

A body that checks an answer fails the case; one that does not only keeps the server busy.
"""

import collections
import contextlib
import socket
import struct

import tls13
from lab import check
from t_network import (BUSY, DEVLIST, NODEV, REP_DEVLIST, REP_IMPORT, REP_WATCH, REQ_DEVLIST, REQ_IMPORT,
                       REQ_WATCH, WATCH, head, import_request, take_list, whole_list)
from tls13 import ALERT, CCS, DATA, FINISHED, HANDSHAKE, message, record

KEY = "0b" * 32
NAME = "laptop"
FREE, IN_USE = "1-3", "2-4"  # devices of the tree
BUFFERS = 400000  # bytes that a connection takes at most when nobody reads
REQUESTS = DEVLIST, WATCH, import_request("9-9")

Attack = collections.namedtuple("Attack", "name body number addresses receive",
                                defaults=(100, 4, 0))


# In plain text


async def silent(peer):
    await peer.hold()


async def half_message(peer):
    request = peer.random.choice(REQUESTS)
    await peer.send(request[:peer.random.randrange(1, len(request))])
    await peer.hold()


async def byte_by_byte(peer):
    for byte in import_request("9-9"):
        await peer.send(bytes([byte]))
        await peer.pause(0.2)
    check(await peer.rest() in (b"", head(REP_IMPORT, NODEV)), "another answer")


async def never_read(peer):
    """Lists that are never read; a watcher's are due again and again."""
    await peer.send(peer.random.choice((DEVLIST, WATCH)))
    await peer.hold()


async def never_written(peer):
    """An import that the other end of is closed, or reads for ever."""
    await peer.send(import_request("9-9")[:peer.random.randrange(40)])
    peer.half()
    check(await peer.rest() == b"", "half a request is answered")


async def half_close(peer):
    request = peer.random.choice(REQUESTS)
    await peer.send(request)
    peer.half()
    await peer.hold()


async def flood_of_lists(peer):
    await peer.send(DEVLIST)
    whole_list(await peer.rest())


async def flood_of_connections(peer):
    if peer.random.random() < .5:
        peer.reset()


async def flood_of_imports(peer):
    """Of no device, of one in use, and of one with a bus id that is none."""
    busid, status = peer.random.choice((("9-9", NODEV), (IN_USE, BUSY), ("../../x", NODEV)))
    await peer.send(import_request(busid))
    got = await peer.rest()
    check(got == head(REP_IMPORT, status), f"{busid} is answered with {got[:16].hex()}")


async def resets(peer):
    request = peer.random.choice(REQUESTS)
    length = peer.random.randrange(len(request) + 1)
    await peer.send(request[:length])
    if length == len(request):
        await peer.receive(peer.random.choice((1, 8, 400)))
    peer.reset()


async def trailing_bytes(peer):
    """Requests behind a request, and junk: one answer, or as much of it as a reset has left."""
    with_list = peer.random.random() < .5
    request = DEVLIST if with_list else import_request("9-9")
    await peer.send(request + peer.random.choice((DEVLIST * 500, WATCH * 500, peer.random.randbytes(4000))))
    got = await peer.rest()
    if with_list and len(got) >= 12:
        taken = take_list(got)
        check(taken is None or not taken[1], "something behind the list")
    else:
        check(head(REP_IMPORT, NODEV).startswith(got) or with_list, f"another answer: {got[:16].hex()}")


async def endless(peer):
    """Bytes behind a request as fast as they are taken."""
    await peer.send(peer.random.choice(REQUESTS))
    while not peer.is_closed():
        await peer.send(bytes(65536))
        peer.board.ticks += 1


async def wrong_words(peer):
    """Versions and codes that are none get no answer; the status of a request means nothing."""
    version, code, status = 0x0111, REQ_DEVLIST, 0
    which = peer.random.randrange(3)
    if which == 0:
        version ^= 1 << peer.random.randrange(16)
    elif which == 1:
        code = peer.random.choice([x for x in range(0x7ff0, 0x8070)
                                   if x not in (REQ_DEVLIST, REQ_IMPORT, REQ_WATCH)] +
                                  [REP_DEVLIST, REP_IMPORT, REP_WATCH])
    else:
        status = peer.random.getrandbits(32)
    await peer.send(head(code, status, version) + bytes(32 * (which < 2)))
    got = await peer.rest()
    if which == 2:
        whole_list(got)
    else:
        check(got == b"", f"version {version:#x}, code {code:#x}: {got[:16].hex()}")


async def every_byte(peer):
    """Names with every byte in them, in every place, with and without a terminator."""
    length = peer.random.choice((1, 2, 7, 31, 32))
    name = bytearray(b"7" * length)
    for _ in range(peer.random.randrange(1, 4)):
        name[peer.random.randrange(length)] = peer.random.randrange(256)
    await peer.send(head(REQ_IMPORT) + bytes(name).ljust(32, b"\0"))
    got = await peer.rest()
    check(got == head(REP_IMPORT, NODEV), f"{bytes(name)} is answered with {got[:16].hex()}")


async def urgent(peer):
    """A byte out of band, which is not part of the stream."""
    peer.sock.send(DEVLIST[:4] + b"!", 1)  # MSG_OOB
    await peer.send(DEVLIST[4:])
    whole_list(await peer.rest())


async def tls_to_plain(peer):
    await peer.send(record(HANDSHAKE, hello_of(peer)))
    check(await peer.rest() == b"", "a server without keys answers TLS")


async def watch(peer):
    """A good watcher, but there are many."""
    await peer.send(WATCH)
    got = b""
    while part := await peer.receive():
        got += part
        peer.board.ticks += 1
        while taken := take_list(got, REP_WATCH):
            got = taken[1]


async def drop_session(peer):
    """An import, and it is gone."""
    await peer.send(import_request(FREE))
    status = int.from_bytes((await peer.exactly(8))[4:], "big")
    check(status <= NODEV, f"status {status}")
    if peer.random.random() < .5:
        peer.reset()


def is_answer(data):
    """Whether a server may say that to anything: nothing, a list or lists, a refusal."""
    if data[:4] == head(REP_IMPORT)[:4]:
        return len(data) == 8 and data[7] or len(data) == 320
    for code in (REP_DEVLIST, REP_WATCH):
        while data[:4] == head(code)[:4]:
            taken = take_list(data, code)
            if not taken:
                return True  # cut off by a reset
            data = taken[1]
    return not data


def mutate(some, data):
    """A few changes of any kind."""
    data = bytearray(data)
    for _ in range(some.randrange(1, 5)):
        at = some.randrange(len(data) + 1)
        match some.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << some.randrange(8)
            case 1 if at < len(data):
                data[at] = some.choice((0, 1, 0x7f, 0x80, 0xff))
            case 2:
                del data[at:at + some.randrange(1, 9)]
            case 3:
                data[at:at] = some.randbytes(some.randrange(1, 9))
            case 4:
                data += data[at:] + bytes(some.randrange(4))
            case 5:
                del data[at:]
    return bytes(data)


async def send_in_pieces(peer, data):
    while data:
        size = peer.random.choice((1, 3, 8, 40, 5000))
        await peer.send(data[:size])
        data = data[size:]
        if peer.random.random() < .2:
            await peer.pause(0.001)


async def random_requests(peer):
    """Requests that are changed at random; an import of a device that is there would be a session."""
    request = mutate(peer.random, peer.random.choice(REQUESTS))
    await send_in_pieces(peer, request)
    if peer.random.random() < .1:
        peer.reset()
        return
    peer.half()
    got = b""
    if request[:4] == WATCH[:4]:
        got = await peer.receive()
    else:
        got = await peer.rest()
    check(is_answer(got), f"{request.hex()} is answered with {got[:400].hex()}")


# With keys


def client_of(peer):
    """One whose random bytes come from the seed."""
    client = tls13.Client(NAME, KEY)
    client.private, client.random = peer.random.randbytes(32), peer.random.randbytes(32)
    return client


SHARE = tls13.x25519(b"\x11" * 32, tls13.BASE)


def hello_of(peer, **how):
    """A hello that the server has to answer; its share is always the same one."""
    return client_of(peer).hello(share=SHARE, **how)


# By somebody who has heard them, without the key: more than a server remembers.
RECORDED = [tls13.Client(NAME, KEY).hello(share=SHARE) for _ in range(200)]


async def flight(peer):
    """The two records of a server's answer."""
    records = []
    for kind in (HANDSHAKE, DATA):
        header = await peer.exactly(5)
        check(header[0] == kind, f"a record of type {header[0]}, not {kind}")
        records.append(header + await peer.exactly(int.from_bytes(header[3:], "big")))
    return records


def is_refusal(data):
    """Nothing, or one alert."""
    return not data or (data[:5] == struct.pack(">BHH", ALERT, 0x0303, 2) and len(data) == 7)


async def clear_text(peer):
    """What has no key gets no byte."""
    await peer.send(peer.random.choice(REQUESTS))
    got = await peer.rest()
    check(got == b"", f"a client without a key gets {got[:16].hex()}")


async def hello_hangs(peer):
    """In the middle of a record that says how long it is."""
    data = record(HANDSHAKE, hello_of(peer))
    await peer.send(data[:peer.random.randrange(1, len(data))])
    await peer.hold()


async def hello_by_bytes(peer):
    for byte in record(HANDSHAKE, hello_of(peer)):
        await peer.send(bytes([byte]))
        await peer.pause(0.1)


async def hello_cut(peer):
    """A whole record with half a hello."""
    hello = hello_of(peer)
    await peer.send(record(HANDSHAKE, hello[:peer.random.randrange(len(hello))]))
    got = await peer.rest()
    check(is_refusal(got), f"half a hello is answered with {got[:16].hex()}")


async def hello_flipped(peer):
    """One bit, behind the version of the record, which means nothing."""
    data = bytearray(record(HANDSHAKE, hello_of(peer)))
    at = peer.random.choice([0, *range(3, len(data))])
    data[at] ^= 1 << peer.random.randrange(8)
    await peer.send(data)
    peer.half()
    got = await peer.rest()
    check(is_refusal(got), f"bit flipped at {at}: {got[:16].hex()}")


async def hello_trailing(peer):
    """Bytes behind the hello, in its record and in its length."""
    hello, junk = hello_of(peer), bytes(peer.random.randrange(1, 200))
    longer = struct.pack(">I", 1 << 24 | len(hello) - 4 + len(junk)) + hello[4:] + junk
    await peer.send(record(HANDSHAKE, peer.random.choice((hello + junk, longer, hello + hello))))
    got = await peer.rest()
    check(is_refusal(got), f"{got[:16].hex()}")


async def hello_in_two(peer):
    """A message that spans records is refused."""
    hello = hello_of(peer)
    at = peer.random.randrange(1, len(hello))
    await peer.send(record(HANDSHAKE, hello[:at]) + record(HANDSHAKE, hello[at:]))
    got = await peer.rest()
    check(is_refusal(got), f"{got[:16].hex()}")


async def replayed_hello(peer):
    """It is refused, unless a server has heard many others since."""
    await peer.send(record(HANDSHAKE, RECORDED[0]))
    peer.half()
    got = await peer.rest()
    check(got[:1] in (b"", b"\x15", b"\x16"), f"it says {got[:16].hex()}")


async def replayed_hellos(peer):
    """What costs the server most: it has to agree on keys before it can know better."""
    await peer.send(record(HANDSHAKE, peer.random.choice(RECORDED)))
    peer.half()
    got = await peer.rest()
    check(got[:1] in (b"", b"\x15", b"\x16"), f"it says {got[:16].hex()}")


async def hello_and_hangs(peer):
    await peer.send(record(HANDSHAKE, hello_of(peer)))
    await flight(peer)
    await peer.hold()


async def hello_and_ccs(peer):
    """One ChangeCipherSpec is skipped, the second one ends it: not more is taken than has room in the
    buffers of a socket."""
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    await peer.send(record(HANDSHAKE, hello_of(peer)))
    await flight(peer)
    taken = 0
    with contextlib.suppress(OSError):
        while not peer.is_closed():
            await peer.send(record(CCS, b"\1") * 500)
            taken += 3000
    check(taken < BUFFERS, f"{taken} bytes were taken")


async def out_of_order(peer):
    """Records of others, repeated, too early, of any type, where the client's Finished belongs."""
    client = client_of(peer)
    hello = record(HANDSHAKE, client.hello())
    other = tls13.Direction(bytes(32))
    await peer.send(hello)
    first, second = await flight(peer)
    client.take_hello(first[5:])
    if peer.random.random() < .5:
        await peer.send(record(CCS, b"\1"))
    early = tls13.Direction(client.client.secret).seal(DATA, DEVLIST)
    wrong = tls13.Direction(client.client.secret).seal(HANDSHAKE, message(FINISHED, peer.random.randbytes(32)))
    good = client.take_flight(second)
    forged = bytearray(good)
    forged[peer.random.randrange(5, len(good))] ^= 1 << peer.random.randrange(8)
    await peer.send(peer.random.choice((
        hello, first, second, early, early + good, bytes(forged), client.client.seal(DATA, DEVLIST),
        wrong + tls13.Direction(client.client.secret).seal(DATA, DEVLIST),
        other.seal(HANDSHAKE, message(FINISHED, bytes(32))), record(HANDSHAKE, message(FINISHED, bytes(32))),
        record(CCS, b"\1") * 2, record(CCS, b"\2"), record(CCS, b""), record(ALERT, b"\2\x28"),
        record(DATA, b""), record(DATA, bytes(16)), record(99, bytes(9)), record(HANDSHAKE, b""), DEVLIST)))
    if peer.random.random() < .5:
        peer.half()
    got = await peer.rest()
    check(is_refusal(got), f"it says {got[:16].hex()}")


async def replayed_finished(peer):
    """All that a client has said on another connection, again: the server's share is a new one."""
    await peer.send(record(HANDSHAKE, hello_of(peer)) + RECORDED_FINISHED)
    await flight(peer)
    got = await peer.rest()
    check(got == b"", f"it says {got[:16].hex()}")


def recorded_finished():
    client, server = tls13.Client(NAME, KEY), tls13.Server(NAME, KEY)
    server.take_hello(client.hello())
    client.take_hello(server.hello())
    return client.take_flight(server.server.seal(HANDSHAKE, server.flight()))


RECORDED_FINISHED = recorded_finished()


async def record_lengths(peer):
    """Lengths that are not true, and types that do not belong there."""
    length = peer.random.choice((0, 1, 2, 4091, 4092, 16384, 65535))
    kind = peer.random.choice((HANDSHAKE,) * 4 + (CCS, ALERT, DATA))
    await peer.send(struct.pack(">BHH", HANDSHAKE, 0x0303, length) if length else
                    record(HANDSHAKE, b"") + record(kind, bytes(8)))
    await peer.send(bytes(peer.random.randrange(length + 1)))
    peer.half()
    got = await peer.rest()
    check(is_refusal(got), f"it says {got[:16].hex()}")


async def many_identities(peer):
    """As many as a record holds; ours is the last one. It is answered."""
    names = [b"%d" % i for i in range(peer.random.randrange(1, 90))]
    await peer.send(record(HANDSHAKE, hello_of(peer, others=names)))
    await flight(peer)


async def unknown_identity(peer):
    client = client_of(peer)
    client.identity = peer.random.choice((b"", b"\0", b"\x1b[2J", b"x" * 300, b"laptop\0", b"LAPTOP",
                                          peer.random.randbytes(20)))
    await peer.send(record(HANDSHAKE, client.hello(share=SHARE)))
    got = await peer.rest()
    check(is_refusal(got) and got, f"it says {got[:16].hex()}")


async def weak_share(peer):
    """Of small order: nobody can agree on a secret with it."""
    share = peer.random.choice((bytes(32), b"\1" + bytes(31), (2 ** 255 - 19).to_bytes(32, "little"),
                                (2 ** 255 - 18).to_bytes(32, "little"),
                                bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")))
    await peer.send(record(HANDSHAKE, client_of(peer).hello(share=share)))
    got = await peer.rest()
    check(is_refusal(got), f"it says {got[:16].hex()}")


async def random_records(peer):
    """Hellos and what follows, changed at random, whole and in pieces: no request is answered."""
    data = mutate(peer.random, record(HANDSHAKE, hello_of(peer)) + RECORDED_FINISHED + DEVLIST)
    await send_in_pieces(peer, data)
    peer.half()
    got = await peer.rest()
    check(got[:1] in (b"", b"\x15", b"\x16"), f"{data.hex()} is answered with {got[:16].hex()}")
    check(head(REP_DEVLIST) not in got, "a list without a key")


PLAIN = [
    Attack("connections that say nothing", silent, 700),
    Attack("half messages, and silence", half_message, 300),
    Attack("one byte now and then", byte_by_byte),
    Attack("lists and watches that nobody reads", never_read, 200, 4, 1),
    Attack("half requests, and the end", never_written),
    Attack("half closes", half_close, 200),
    Attack("a flood of requests", flood_of_lists, 30),
    Attack("a flood of connections", flood_of_connections, 100),
    Attack("a flood of imports that are refused", flood_of_imports, 30),
    Attack("resets in every state", resets),
    Attack("bytes behind the request", trailing_bytes, 30),
    Attack("bytes without end behind the request", endless, 8),
    Attack("wrong versions, codes and statuses", wrong_words, 50),
    Attack("names with every byte", every_byte, 50),
    Attack("urgent bytes", urgent, 20),
    Attack("TLS, which it does not speak", tls_to_plain, 50),
    Attack("watches of two addresses, as many as it takes", watch, 600, 2),
    Attack("thousands of connections", silent, 4000, 500),
    Attack("requests that are changed at random", random_requests, 50),
]
KEYED = [
    Attack("connections that say nothing, of two addresses", silent, 700, 2),
    Attack("requests in plain text", clear_text, 50),
    Attack("a hello that hangs", hello_hangs, 300),
    Attack("a hello, one byte now and then", hello_by_bytes),
    Attack("hellos that are cut off", hello_cut, 50),
    Attack("hellos with one bit flipped", hello_flipped, 50),
    Attack("bytes behind a hello", hello_trailing, 30),
    Attack("a hello in two records", hello_in_two, 30),
    Attack("a replayed hello", replayed_hello, 30),
    Attack("many recorded hellos", replayed_hellos, 30),
    Attack("a hello, and silence", hello_and_hangs, 200),
    Attack("a hello, and ChangeCipherSpec without end", hello_and_ccs, 8),
    Attack("a hello, and the Finished of another one", replayed_finished, 30),
    Attack("records out of order, repeated, forged", out_of_order, 10),
    Attack("wrong lengths of records", record_lengths, 50),
    Attack("hellos with many identities", many_identities, 20),
    Attack("unknown identities", unknown_identity, 50),
    Attack("weak shares", weak_share, 20),
    Attack("records that are changed at random", random_records, 30),
]

# SPDX-License-Identifier: MIT
"""Hostile servers: what a client is told, each a small function in the tables at the end.

A body answers one connection. One that checks what the client says fails the case.
"""

import collections
import struct

import tls13
from client import KEY, NAME, mutate, send_in_pieces
from lab import check
from t_network import (OK, RECORD, REP_DEVLIST, REP_IMPORT, REP_WATCH, REQ_DEVLIST, REQ_IMPORT, REQ_WATCH,
                       head, marked)
from tls13 import ALERT, CCS, DATA, EXTENSIONS, FINISHED, HANDSHAKE, SERVER_HELLO, message, record

MANY = 100  # devices of a server, each for an attempt to import it
FEW = 10
EACH_ONCE = 128 + 12  # lines: one for each device that a server can have, and some about the server
# A device that changes has some more chances: FLAP_FREE in lib/backoff.h, and those with a delay.
CHANCES = 7

Lie = collections.namedtuple("Lie", "name body lines imports", defaults=(EACH_ONCE, 300))
LIST_MAX = 1024  # devices


# What it says


def device(busid, path=b"/sys/x", busnum=1, devnum=5, speed=3, vendor=0x1a2b, product=0x3c4d, cls=0,
           interfaces=1, told=None):
    """A record; `told` interfaces follow it."""
    text = (path[:256].ljust(256, b"\0") + busid[:32].ljust(32, b"\0") +
            RECORD.pack(b"", b"", busnum, devnum, speed, vendor, product, 0x100, cls, 0, 0, 1, 1,
                        interfaces)[288:])
    return text + b"\3\1\1\0" * (interfaces if told is None else told)


def devices_of(*records, code=REP_DEVLIST, count=None, status=0, version=0x0111):
    return (head(code, status, version) +
            struct.pack(">I", len(records) if count is None else count) + b"".join(records))


def names(number, first=1):
    return [b"1-%d" % i for i in range(first, first + number)]


GOOD = devices_of(*map(device, names(MANY)))


def granted(busid, **fields):
    return head(REP_IMPORT, OK) + device(busid, **fields)[:RECORD.size]


# How it says it


async def request(peer):
    """What the client wants: the code, and the bus id of an import."""
    code = struct.unpack(">HHI", await peer.exactly(8))[1]
    board = peer.board
    if code == REQ_IMPORT:
        busid = (await peer.exactly(32)).rstrip(b"\0")
        board.imports += 1
        return code, busid
    check(code in (REQ_DEVLIST, REQ_WATCH), f"a request with code {code:#x}")
    if code == REQ_WATCH:
        board.watches += 1
    else:
        board.lists += 1
    return code, None


async def say(peer, data, end="close"):
    await peer.send(data)
    if end == "hold":
        await peer.hold()
    elif end == "reset":
        peer.reset()
    else:
        peer.half()
        await peer.rest()


async def honest(peer):
    """No device, and no watch."""
    code, _ = await request(peer)
    if code == REQ_DEVLIST:
        await say(peer, devices_of())


async def refuse(peer, code):
    """As many devices as a client takes of one server; none is to be had."""
    if code == REQ_DEVLIST:
        await say(peer, devices_of(*map(device, names(128))))
    elif code == REQ_IMPORT:
        await say(peer, head(REP_IMPORT, 1))


async def warm(peer):
    """Without watches."""
    code, _ = await request(peer)
    await refuse(peer, code)


def lists(make, end="close"):
    """To every request for a list: make(random, code)."""
    async def body(peer):
        code, _ = await request(peer)
        if code == REQ_DEVLIST:
            await say(peer, make(peer.random), end)
    return body


def imports(make, end="close", number=MANY):
    """A good list, and to every import: make(random, busid)."""
    good = devices_of(*map(device, names(number)))

    async def body(peer):
        code, busid = await request(peer)
        if code == REQ_IMPORT:
            await say(peer, make(peer.random, busid), end)
        elif code == REQ_DEVLIST:
            await say(peer, good)
    return body


async def hang_up(peer):
    peer.board.other += 1


async def reset(peer):
    peer.board.other += 1
    peer.reset()


async def hang(peer):
    peer.board.other += 1
    await peer.hold()


async def hang_after_request(peer):
    await request(peer)
    await peer.hold()


async def dribble(peer):
    code, busid = await request(peer)
    for byte in granted(busid) if code == REQ_IMPORT else GOOD:
        await peer.send(bytes([byte]))
        await peer.pause()


async def endless_list(peer):
    """As many as it says, and more, as fast as they are taken."""
    code, _ = await request(peer)
    if code == REQ_DEVLIST:
        await peer.send(devices_of(count=LIST_MAX))
        while not peer.is_closed():
            await peer.send(device(b"1-1") * 100)
            peer.board.ticks += 1


async def endless_zeros(peer):
    await request(peer)
    while not peer.is_closed():
        await peer.send(bytes(65536))
        peer.board.ticks += 1


async def urgent(peer):
    code, _ = await request(peer)
    if code == REQ_DEVLIST:
        peer.sock.send(GOOD[:100] + b"!", 1)  # MSG_OOB
        await say(peer, GOOD[100:])


def every_byte(some):
    """Names with every byte, and paths without an end."""
    records = []
    for first in range(256):
        name = bytearray(b"1-%d" % first)
        name[some.randrange(len(name))] = first
        records.append(device(bytes(name), path=bytes((first + i) % 256 for i in range(256))))
    return devices_of(*records)


def identical(some):
    return devices_of(*[device(b"1-1")] * LIST_MAX)


def repeated(some):
    """One bus id, and each time another device."""
    return devices_of(*(device(b"1-1", devnum=some.randrange(1, 128), vendor=some.randrange(1, 65536),
                               product=some.randrange(65536)) for _ in range(LIST_MAX)))


def new_names(some):
    first = some.randrange(10 ** 9)
    return devices_of(*map(device, names(LIST_MAX, first)))


def changing(some):
    """The same places, with other devices in each list."""
    return devices_of(*(device(x, devnum=some.randrange(1, 128), product=some.randrange(65536))
                        for x in names(FEW)))


def cut(some):
    return GOOD[:some.randrange(len(GOOD))]


def wrong_words(some):
    match some.randrange(3):
        case 0:
            return devices_of(device(b"1-1"), version=0x0111 ^ 1 << some.randrange(16))
        case 1:
            return devices_of(device(b"1-1"), code=some.choice((REQ_DEVLIST, REP_IMPORT, REP_WATCH, 0)))
        case _:
            return devices_of(device(b"1-1"), status=some.getrandbits(32) or 1)


def wrong_fields(some):
    """Numbers that no device has."""
    return devices_of(*(device(x, busnum=some.getrandbits(32), devnum=some.getrandbits(32),
                               speed=some.choice((0, 4, 7, 255, 2 ** 32 - 1, 2 ** 31)),
                               cls=some.randrange(256)) for x in names(MANY)))


def wrong_count(some):
    return devices_of(device(b"1-1"), count=some.choice((2, LIST_MAX, LIST_MAX + 1, 2 ** 31, 2 ** 32 - 1)))


def missing_interfaces(some):
    return devices_of(device(b"1-1", interfaces=some.choice((2, 255)), told=1), device(b"1-2"), device(b"1-3"))


def random_list(some):
    return mutate(some, GOOD[:some.choice((12, 400, 2000))])


# Imports


def import_cut(some, busid):
    good = granted(busid)
    return good[:some.randrange(len(good))]


def import_words(some, busid):
    data = granted(busid)
    match some.randrange(3):
        case 0:
            return head(REP_IMPORT, OK, 0x0111 ^ 1 << some.randrange(16)) + data[8:]
        case 1:
            return head(some.choice((REQ_IMPORT, REP_DEVLIST, 0)), OK) + data[8:]
        case _:
            return head(REP_IMPORT, some.getrandbits(32) or 1) + data[8:]


def import_other(some, busid):
    """It is not what was asked for, or not what was listed."""
    other = some.choice(({"devnum": 6}, {"busnum": 9}, {"vendor": 1}, {"product": 1},
                         {"busnum": 0x10001}, {"devnum": 0x10005}))
    return granted(some.choice((busid + b"0", b"", b"\xff" * 32, b"../x"))) if some.random() < .5 else \
        granted(busid, **other)


def import_random(some, busid):
    return mutate(some, granted(busid))


def descriptors(make):
    """A good list and a good import; the device itself is asked then, and answers make(random, seqnum)."""
    async def body(peer):
        code, busid = await request(peer)
        if code == REQ_DEVLIST:
            await say(peer, GOOD)
        elif code == REQ_IMPORT:
            await peer.send(granted(busid))
            while True:
                command = await peer.exactly(48)
                answer = make(peer.random, command)
                if answer is None:
                    await peer.hold()
                    return
                await peer.send(answer)
    return body


DESCRIPTOR = bytes([18, 1, 0, 2, 0, 0, 0, 64, 0x2b, 0x1a, 0x4d, 0x3c, 0, 1, 1, 2, 3, 1])


def reply_to(some, command, **lies):
    """A reply with a descriptor that fits, changed by lies."""
    seqnum, wanted, kind = struct.unpack_from(">I", command, 4)[0], command[46], command[43]
    data = {1: DESCRIPTOR, 2: bytes([9, 2, 9, 0, 0, 1, 0, 128, 50])}.get(
        kind, bytes([34, 3]) + some.randbytes(32))[:wanted or 255]
    fields = {"kind": 3, "seqnum": seqnum, "status": 0, "length": len(data), "packets": 0, **lies}
    return struct.pack(">IIIIIiIIIiQ", fields["kind"], fields["seqnum"], 0, 0, 0, fields["status"],
                       fields["length"] & 0xffffffff, 0, fields["packets"], 0, 0) + data


def query_lies(some, command):
    return reply_to(some, command, **some.choice((
        {"seqnum": some.getrandbits(32)}, {"length": 2 ** 32 - 1}, {"length": 2 ** 31}, {"length": 65536},
        {"kind": 4}, {"kind": 0}, {"status": -71}, {"status": 1 << 30}, {"packets": 2 ** 31 - 1})))


def query_random(some, command):
    return mutate(some, reply_to(some, command))


def query_cut(some, command):
    return reply_to(some, command)[:some.randrange(48)]


# Watches: the first lists are good, with a mark where one is asked for, and the lie begins when the board says so


def watches(lie):
    async def body(peer):
        code, busid = await request(peer)
        if code == REQ_DEVLIST:
            await say(peer, marked(devices_of(*map(device, names(128)))))
        elif code == REQ_IMPORT:
            await refuse(peer, code)
        else:
            await peer.send(devices_of(*map(device, names(128)), code=REP_WATCH))
            while not peer.board.finished:
                await peer.pause()
            await lie(peer)
            await peer.hold()
    return body


def pushes(make, breaks=False):
    """Lists as fast as they are taken; unless the first one ends the watch, they are counted."""
    async def lie(peer):
        while not peer.is_closed():
            await peer.send(make(peer.random))
            peer.board.other += not breaks
            await peer.pause(0)
    return lie


def as_watch(make):
    def made(some):
        data = make(some)
        return head(REP_WATCH) + data[8:]
    return made


def one_of_many(some):
    """The same device is there, and is another one."""
    return devices_of(device(b"1-1", devnum=some.randrange(1, 128), product=some.randrange(65536)),
                      device(b"1-1", devnum=some.randrange(1, 128), product=some.randrange(65536)),
                      code=REP_WATCH)


async def watch_dribbles(peer):
    for byte in devices_of(*map(device, names(MANY)), code=REP_WATCH):
        await peer.send(bytes([byte]))
        await peer.pause()


# TLS


async def hello_of(peer):
    """The client's hello, and a server that has the key."""
    server = tls13.Server(NAME, KEY)
    server.private = b"\x22" * 32
    header = await peer.exactly(5)
    check(header[0] == HANDSHAKE, f"a client with a key begins with {header.hex()}")
    hello = await peer.exactly(int.from_bytes(header[3:], "big"))
    peer.board.lists += 1
    server.take_hello(hello)
    return server, hello


async def silence(peer):
    """Nothing may come of what was said: no request, at most an alert."""
    peer.half()
    got = await peer.rest()
    check(not got or got[0] == ALERT, f"the client goes on with {got[:16].hex()}")


async def tls_honest(peer):
    """A whole handshake, and an empty list, if the client's kernel has TLS."""
    server, _ = await hello_of(peer)
    await peer.send(record(HANDSHAKE, server.hello(share=SHARE)) +
                    server.server.seal(HANDSHAKE, server.flight()))
    header = await peer.exactly(5)
    server.take_finished(header + await peer.exactly(int.from_bytes(header[3:], "big")))
    peer.board.finished += 1
    header = await peer.exactly(5)
    _, text = server.client.open(header + await peer.exactly(int.from_bytes(header[3:], "big")))
    if text == head(REQ_DEVLIST):
        await say(peer, server.server.seal(DATA, devices_of()))


SHARE = tls13.x25519(b"\x22" * 32, tls13.BASE)


def tls(make):
    """make(random, server, hello) is the whole answer to a hello."""
    async def body(peer):
        server, hello = await hello_of(peer)
        await peer.send(make(peer.random, server, hello))
        await silence(peer)
    return body


def tls_hangs(make):
    async def body(peer):
        server, hello = await hello_of(peer)
        await peer.send(make(peer.random, server, hello))
        await peer.hold()
    return body


def both(server, **how):
    """The two records of a good answer."""
    return record(HANDSHAKE, server.hello(**{"share": SHARE, **how})), server.server.seal(HANDSHAKE, server.flight())


def tls_in_plain(some, server, hello):
    return some.choice((GOOD, head(REP_DEVLIST, 1), b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 3000))


def tls_alert(some, server, hello):
    alert = record(ALERT, bytes([some.choice((1, 2)), some.randrange(256)]))
    return some.choice((alert, record(HANDSHAKE, server.hello(share=SHARE)) + alert))


def tls_cut(some, server, hello):
    mine = server.hello(share=SHARE)
    return record(HANDSHAKE, mine[:some.randrange(len(mine))])


def tls_flipped(some, server, hello):
    """One bit of what is proved by the Finished, or the Finished itself; not of the records' headers."""
    first, second = map(bytearray, both(server))
    which = some.choice((first, second))
    which[some.randrange(5, len(which))] ^= 1 << some.randrange(8)
    return bytes(first + second)


def tls_wrong_hello(some, server, hello):
    how = some.choice(({"suite": 0x1302}, {"suite": 0}, {"session": b"\1" * 32}, {"index": 1}, {"version": 0x0303},
                       {"more": tls13.extension(0xaaaa, b"")}, {"compression": b"\1"}))
    return b"".join(both(server, **how))


def tls_weak_share(some, server, hello):
    """What a client would agree on with such a share, everybody knows."""
    mine = server.hello(share=bytes(32))
    return record(HANDSHAKE, mine) + bytes(100)


def tls_retry(some, server, hello):
    """HelloRetryRequest: 4.1.4."""
    known = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    group = some.choice((b"\0\x17", b"\0\x1d"))
    extensions = tls13.extension(43, b"\3\4") + tls13.extension(51, group)
    return record(HANDSHAKE, message(SERVER_HELLO, b"\3\3" + known + b"\0\x13\3\0" + tls13.vector(extensions)))


def tls_without_key(some, server, hello):
    """A server that has another key, or leaves its proof away."""
    server.early = tls13.Server(NAME, "00" * 32).early
    first, second = both(server)
    return first + some.choice((second, b"", server.server.seal(HANDSHAKE, b"\x08\0\0\2\0\0")))


def tls_wrong_finished(some, server, hello):
    """It has agreed on keys, and that is all."""
    mine = server.hello(share=SHARE)
    text = b"\x08\0\0\2\0\0" + message(FINISHED, some.choice((bytes(32), some.randbytes(32))))
    return record(HANDSHAKE, mine) + server.server.seal(HANDSHAKE, text)


def tls_echo(some, server, hello):
    """The client's own words."""
    return some.choice((record(HANDSHAKE, hello), record(HANDSHAKE, bytes([SERVER_HELLO]) + hello[1:])))


def tls_order(some, server, hello):
    first, second = both(server)
    return some.choice((second + first, second, first + first + second, first + second[:-1],
                        first + record(HANDSHAKE, message(FINISHED, bytes(32))),
                        first + record(DATA, b""), first + record(99, bytes(40)),
                        first + record(CCS, b"\1") * 2 + second, first + record(CCS, b"\2") + second,
                        record(CCS, b"\1") + record(CCS, b"\1") + first + second,
                        record(HANDSHAKE, first[5:50]) + record(HANDSHAKE, first[50:]) + second,
                        record(HANDSHAKE, first[5:] + message(EXTENSIONS, b"\0\0")) + second))


RECORDED = tls13.Server(NAME, KEY)
RECORDED.take_hello(tls13.Client(NAME, KEY).hello())
RECORDED = b"".join(both(RECORDED))


def tls_replayed(some, server, hello):
    """What another client was told."""
    return RECORDED


def tls_lengths(some, server, hello):
    first, second = both(server)
    length = some.choice((0, 1, 4092, 16384, 65535))
    return some.choice((struct.pack(">BHH", HANDSHAKE, 0x0303, length) + first[5:],
                        first + struct.pack(">BHH", DATA, 0x0303, length) + second[5:]))


def tls_random(some, server, hello):
    data = b"".join(both(server))
    changed = mutate(some, data)
    # the versions of records mean nothing, and an answer may be good for all that
    good = len(changed) == len(data) and all(a == b or i in (1, 2, len(data) - 71, len(data) - 70)
                                             for i, (a, b) in enumerate(zip(data, changed)))
    return b"" if changed.startswith(data) or good else changed


LISTS = [
    Lie("hangs up at once", hang_up),
    Lie("resets at once", reset),
    Lie("says nothing", hang),
    Lie("says nothing to a request", hang_after_request),
    Lie("counts that are not true", lists(wrong_count)),
    Lie("a count that is not true, and silence", lists(wrong_count, "hold")),
    Lie("wrong versions, codes and statuses", lists(wrong_words)),
    Lie("lists that are cut off", lists(cut)),
    Lie("lists that are cut off, and silence", lists(cut, "hold")),
    Lie("lists that are cut off by a reset", lists(cut, "reset")),
    Lie("a list that dribbles", dribble),
    Lie("a list without end", endless_list),
    Lie("zeros without end", endless_zeros),
    Lie("the same device a thousand times", lists(identical)),
    Lie("a bus id a thousand times, each time another device", lists(repeated)),
    Lie("names with every byte", lists(every_byte)),
    Lie("a thousand new devices in each list", lists(new_names)),
    Lie("other devices in the same places in each list", lists(changing), CHANCES * FEW),
    Lie("numbers that no device has", lists(wrong_fields)),
    Lie("interfaces that are not told", lists(missing_interfaces)),
    Lie("hubs", lists(lambda some: devices_of(*(device(x, cls=9) for x in names(MANY))))),
    Lie("HTTP", lists(lambda some: b"HTTP/1.1 200 OK\r\n\r\n" + b"\x1b[2J" * 100)),
    Lie("urgent bytes", urgent),
    Lie("lists that are changed at random", lists(random_list)),
]
IMPORTS = [
    Lie("imports that are cut off", imports(import_cut)),
    Lie("imports that are cut off, and silence", imports(import_cut, "hold")),
    Lie("imports that are cut off by a reset", imports(import_cut, "reset")),
    Lie("imports with wrong versions, codes and statuses", imports(import_words)),
    Lie("imports of another device", imports(import_other)),
    Lie("imports that are changed at random", imports(import_random)),
    Lie("imports that end at once", imports(lambda some, busid: granted(busid), number=3), 2 * CHANCES * 3),
]
QUERIES = [
    Lie("a device that does not answer", descriptors(lambda some, command: None)),
    Lie("a device that lies", descriptors(query_lies)),
    Lie("a device that is cut off", descriptors(query_cut)),
    Lie("a device with random words", descriptors(query_random)),
]
WATCHES = [
    Lie("a flood of lists", watches(pushes(as_watch(lambda some: GOOD)))),
    Lie("a flood of other devices", watches(pushes(as_watch(changing))), CHANCES * FEW, CHANCES * FEW),
    Lie("a flood of new names", watches(pushes(as_watch(new_names))), 2 * EACH_ONCE),
    Lie("a flood of one bus id, always another device", watches(pushes(one_of_many)), 2 * CHANCES, 2 * CHANCES),
    Lie("names with every byte", watches(pushes(as_watch(every_byte)))),
    Lie("a list that dribbles", watches(watch_dribbles)),
    Lie("lists that are changed at random", watches(pushes(as_watch(random_list), breaks=True))),
]
TLS = [
    Lie("hangs up at once", hang_up),
    Lie("says nothing", hang),
    Lie("says nothing to a hello", tls_hangs(lambda some, server, hello: b"")),
    Lie("half a hello, and silence", tls_hangs(lambda some, server, hello: both(server)[0][:60])),
    Lie("a hello, and silence", tls_hangs(lambda some, server, hello: both(server)[0])),
    Lie("half a flight, and silence", tls_hangs(lambda some, server, hello: b"".join(both(server))[:-9])),
    Lie("plain text", tls(tls_in_plain)),
    Lie("alerts", tls(tls_alert)),
    Lie("hellos that are cut off", tls(tls_cut)),
    Lie("one bit flipped", tls(tls_flipped)),
    Lie("hellos that do not fit", tls(tls_wrong_hello)),
    Lie("a weak share", tls(tls_weak_share)),
    Lie("another try is wanted", tls(tls_retry)),
    Lie("no proof of the key", tls(tls_without_key)),
    Lie("a wrong Finished", tls(tls_wrong_finished)),
    Lie("the client's own hello", tls(tls_echo)),
    Lie("records out of order, repeated, of wrong types", tls(tls_order)),
    Lie("a replayed answer", tls(tls_replayed)),
    Lie("wrong lengths of records", tls(tls_lengths)),
    Lie("records that are changed at random", tls(tls_random)),
]

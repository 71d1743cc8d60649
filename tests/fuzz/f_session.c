/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: a session over usbfs, whose device and controller are made up. The first byte of the
 * input is the size of the pieces in which the client sends, the second how much memory there is,
 * the third whatever else is random, the fourth the number of bytes that follow which say, one
 * after the other, what happens between the pieces: enum event. The rest is what the client sends.
 * Whatever comes, the kernel is never given anything that it would complain of, each reply is
 * well-formed and its request is still known, and in the end nothing is in flight and no memory is
 * left.
 * LINK: -Wl,--wrap=usbfs_ioctl,--wrap=usbfs_map,--wrap=usbfs_unmap
 * LINK: -Wl,--wrap=send,--wrap=sendmsg
 */
#include "usbfs/session.h"

#include "proto/wire.h"
#include "tests/fuzz/fuzz.h"
#include "tests/usbfs.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEVID = 0x10002, STEPS = 4, HEAD = 4, FLOOD = 300, TICKS = 50 };

/* The low half of a byte; the high half is a number that goes with it. */
enum event {
	DONE_RIGHT,	 /* a URB is done as it should be */
	DONE_SHORT,
	DONE_WRONG,
	SUBMIT_FAILS,
	TIME_PASSES,	 /* without an event */
	DISCARD_LOSES,
	NO_MEMORY,	 /* for malloc(), from now on or no more */
	USBFS_MEMORY_IS, /* so much */
	READS,		 /* or does not: the client */
	SENDS_AGAIN,	 /* its first message, with other sequence numbers, many times */
	HANGS_UP,
	LEAVES,		 /* when a URB is done */
	PULLED,
	NOTHING,	 /* or an event without a cause */
	RANDOM,
};

static const uint8_t descriptors[] = {
	18, 1, 0, 2, 0, 0, 0, 64, 0x27, 6, 1, 0, 0, 1, 0, 0, 0, 1, /* device */
	9, 2, 71, 0, 2, 1, 0, 0x80, 50,				   /* configuration 1 */
	9, 4, 0, 0, 3, 8, 6, 80, 0,				   /* interface 0 */
	7, 5, 0x81, 2, 0, 2, 0, 7, 5, 0x01, 2, 0, 2, 0, 7, 5, 0x83, 3, 8, 0, 10,
	9, 4, 2, 0, 2, 1, 2, 0, 0, 7, 5, 0x84, 1, 0, 4, 1, 7, 5, 0x04, 1, 0, 4, 1,
	9, 4, 2, 1, 0, 1, 2, 0, 0, /* interface 2, settings 0 and 1 */
};

static struct usbfs_device device;
static struct usbfs_session session;
static struct urb_counters counters;
static uint32_t state;
static int client, epoll;
static bool reads;
static const uint8_t *script, *messages;
static size_t script_left, messages_len;
static uint32_t flooded;

static uint32_t number(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % below;
}

static void set_up(uint8_t memory, uint8_t seed)
{
	int pair[2];

	fake_reset();
	state = 0x9e3779b9u + seed;
	device.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	device.len = sizeof(descriptors);
	memcpy(device.descriptors, descriptors, sizeof(descriptors));
	HOLDS(!usbfs_endpoints_read(descriptors, sizeof(descriptors), 1, &device.endpoints));
	flooded = FLOOD;
	reads = true;
	device.maps_are_cheap = memory & 1;
	device.memory = memory & 4 ? 3000 : USBFS_MEMORY;
	fake.memory = memory & 8 ? 40000 : 0;
	HOLDS(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	client = pair[1];
	if (memory & 2)
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &(int){ 1 }, sizeof(int));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	HOLDS(!usbfs_session_begin(&session, &device, pair[0], DEVID, epoll, &counters));
}

static void check_packets(const struct transfer *transfer, const uint8_t *wire, uint32_t length)
{
	struct urb_packet packet;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < transfer->packets; i++, wire += URB_PACKET_SIZE) {
		urb_packet_decode(wire, &packet);
		HOLDS(packet.actual <= packet.length);
		sum += packet.actual;
	}
	HOLDS(sum == length);
}

/* Returns what is behind it. Few data are behind the header, in the same part. */
static const struct iovec *check_submitted(const struct transfer *transfer)
{
	const struct iovec *part = transfer->part, *end = part + transfer->parts;
	struct urb_reply reply;
	uint32_t data;

	HOLDS(!urb_reply_decode(part->iov_base, &reply) && reply.code == URB_RET_SUBMIT);
	HOLDS(reply.seqnum == transfer->command.seqnum);
	HOLDS(reply.length <= transfer->command.length && reply.packets == transfer->packets);
	data = transfer->command.in ? reply.length : 0;
	if (part++->iov_len == URB_SIZE && data)
		HOLDS(part < end && part++->iov_len == data);
	else
		HOLDS(part[-1].iov_len == URB_SIZE + data);
	if (!transfer->packets)
		return part;
	HOLDS(part < end && part->iov_len == transfer->packets * (size_t)URB_PACKET_SIZE);
	check_packets(transfer, part->iov_base, reply.length);
	return part + 1;
}

/* What is to be sent is as vhci-hcd wants it. */
static void check_replies(void)
{
	const struct transfer *transfer = session.transfers.done.first;
	struct urb_reply reply;

	if (transfer && transfer->command.code == URB_CMD_SUBMIT)
		HOLDS(transfers_find(&session.transfers, transfer->command.seqnum) == transfer);
	for (; transfer; transfer = transfer->next) {
		const struct iovec *part = transfer->part, *end = part + transfer->parts;

		HOLDS(transfer->state == TRANSFER_DONE && part < end && !transfer->flying);
		HOLDS(!urb_reply_decode(part->iov_base, &reply));
		if (reply.code == URB_RET_SUBMIT) {
			part = check_submitted(transfer);
			HOLDS((part < end) == transfer->unlinked);
		}
		if (part < end) {
			HOLDS(part + 1 == end && part->iov_len == URB_SIZE);
			HOLDS(!urb_reply_decode(part->iov_base, &reply));
			HOLDS(reply.code == URB_RET_UNLINK);
			HOLDS(reply.status == 0 || reply.status == -104);
		}
	}
}

ssize_t __real_send(int socket, const void *data, size_t len, int flags);
ssize_t __wrap_send(int socket, const void *data, size_t len, int flags);
ssize_t __real_sendmsg(int socket, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int socket, const struct msghdr *message, int flags);

ssize_t __wrap_send(int socket, const void *data, size_t len, int flags)
{
	if (socket == session.socket)
		check_replies();
	return __real_send(socket, data, len, flags);
}

ssize_t __wrap_sendmsg(int socket, const struct msghdr *message, int flags)
{
	check_replies();
	return __real_sendmsg(socket, message, flags);
}

static void complete_one(int status, bool whole)
{
	unsigned i = fake.urbs ? number(fake.urbs) : 0, setup, length;
	struct fake_urb *urb = &fake.urb[i];

	if (!fake.urbs || urb->done)
		return;
	setup = urb->was->type == USBDEVFS_URB_TYPE_CONTROL ? 8 : 0;
	length = (unsigned)urb->size - setup;
	for (int n = 0; urb->was->type == USBDEVFS_URB_TYPE_ISO && n < urb->was->number_of_packets;
	     n++) {
		urb->packet[n].actual_length = number(urb->packet[n].length + 2);
		urb->packet[n].status = number(4) ? 0 : (unsigned)-EILSEQ;
	}
	fake_done(i, status, whole ? length : number(length + 1));
}

static int reap(void)
{
	return (int)usbfs_session_ready(&session, device.fd, EPOLLOUT);
}

static int pass_time(unsigned ticks)
{
	int end = 0, timeout;

	for (unsigned i = 0; i < ticks && !end; i++) {
		timeout = usbfs_session_timeout(&session);
		HOLDS(timeout == -1 || timeout == 50 || timeout == 3000);
		end = (int)usbfs_session_ready(&session, -1, 0);
	}
	return end;
}

static void send_again(void)
{
	uint8_t bytes[URB_SIZE];

	for (unsigned i = 0; i < FLOOD && messages_len >= URB_SIZE; i++) {
		memcpy(bytes, messages, URB_SIZE);
		wire_store_be32(bytes + 4, ++flooded);
		send(client, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static int happen(enum event event, unsigned with)
{
	static const int refusals[] = { -ENOMEM, -ENOENT, -EINVAL, -ENOSPC, -EREMOTEIO, -EAGAIN,
					-EHOSTUNREACH, -ESHUTDOWN };
	static const int statuses[] = { -EPIPE, -EREMOTEIO, -EPROTO, -EOVERFLOW };

	switch (event) {
	case DONE_SHORT:
		complete_one(with & 1 ? -EREMOTEIO : 0, false);
		return reap();
	case DONE_WRONG:
		complete_one(statuses[with % 4], with & 4);
		return reap();
	case SUBMIT_FAILS:
		fake.fail_number = _IOC_NR(USBDEVFS_SUBMITURB);
		fake.fail_error = refusals[with % 8];
		fake.fail_after = with & 8 ? 0 : number(3);
		fake.fail_times = with & 8 ? UINT32_MAX : 1 + number(3);
		return 0;
	case TIME_PASSES:
		return pass_time(with & 8 ? TICKS : 1);
	case DISCARD_LOSES:
		fake.discard_loses = with & 1;
		return 0;
	case NO_MEMORY:
		fake.no_memory = with & 1;
		return 0;
	case USBFS_MEMORY_IS:
		fake.memory = with * 10000;
		return 0;
	case READS:
		reads = with & 1;
		return 0;
	case SENDS_AGAIN:
		send_again();
		return 0;
	case HANGS_UP:
		shutdown(client, with & 1 ? SHUT_RDWR : SHUT_WR);
		return 0;
	case LEAVES:
		close(client);
		client = -1;
		complete_one(0, true);
		return reap();
	case PULLED:
		fake.gone = true;
		fake_kill(-1);
		return (int)usbfs_session_ready(&session, device.fd, EPOLLHUP | EPOLLERR);
	case NOTHING:
		return with ? (int)usbfs_session_ready(&session, session.socket, EPOLLIN) : 0;
	default:
		complete_one(0, true);
		return reap();
	}
}

static int happen_next(void)
{
	uint8_t byte = RANDOM;

	if (script_left) {
		byte = *script++;
		script_left--;
	}
	if ((byte & 15) >= RANDOM)
		byte = (uint8_t)(number(number(16) ? SUBMIT_FAILS : TIME_PASSES + 1) +
				 16 * number(8));
	return happen((enum event)(byte & 15), byte >> 4);
}

static int run(void)
{
	static uint8_t replies[65536];
	struct epoll_event event[2];
	int end = 0, n;

	for (unsigned step = 0; step < STEPS && !end; step++) {
		n = epoll_wait(epoll, event, 2, 0);
		for (int i = 0; i < n && !end; i++)
			if (event[i].data.fd == session.socket)
				end = (int)usbfs_session_ready(&session, session.socket,
							       event[i].events);
		if (!end)
			end = happen_next();
		HOLDS(!fake.fault);
		HOLDS(session.transfers.flying == fake.urbs);
		while (reads && recv(client, replies, sizeof(replies), MSG_DONTWAIT) > 0)
			;
	}
	return end;
}

static void tear_down(void)
{
	struct transfers *transfers = &session.transfers;

	usbfs_session_end(&session);
	HOLDS(!fake.fault && !fake.urbs && !fake.maps && !fake.plains);
	HOLDS(!transfers->flying && !transfers->buffers.mapped && !counters.in_flight);
	close(client);
	close(epoll);
	close(device.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece, n, at = 0;
	int end = 0;

	if (size < HEAD || size - HEAD < data[3])
		return 0;
	piece = data[0] ? data[0] : 4096;
	script = data + HEAD;
	script_left = data[3];
	messages = script + script_left;
	messages_len = (size_t)(data + size - messages);
	set_up(data[1], data[2]);
	while (at < messages_len && !end) {
		ssize_t sent;

		n = messages_len - at < piece ? messages_len - at : piece;
		sent = send(client, messages + at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		at += sent > 0 ? (size_t)sent : 0;
		end = run();
		if (sent <= 0 && !number(8))
			break;
	}
	for (unsigned i = 0; (i < 8 || script_left) && !end; i++)
		end = run();
	shutdown(client, SHUT_WR);
	reads = true;
	for (unsigned i = 0; i < 8 && !end; i++)
		end = run();
	HOLDS(!end || usbfs_end_text((enum usbfs_end)end)[0]);
	tear_down();
	return 0;
}

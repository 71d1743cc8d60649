/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: a session over usbfs, whose device and controller are made up. The first byte of the
 * input is the size of the pieces in which the client sends the rest, the second how much memory
 * there is, the third what the device does. Whatever comes, the kernel is never given anything that
 * it would complain of, each reply is well-formed and the only one to its request, and in the end
 * nothing is in flight and no memory is left.
 * LINK: -Wl,--wrap=usbfs_ioctl,--wrap=usbfs_map,--wrap=usbfs_unmap
 */
#include "usbfs/session.h"

#include "tests/fuzz/fuzz.h"
#include "tests/usbfs.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEVID = 0x10002, STEPS = 4 };

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
static struct usbfs_counters counters;
static uint32_t state;
static int client, epoll;

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
	device.maps_are_cheap = memory & 1;
	device.memory = memory & 4 ? 3000 : USBFS_MEMORY;
	fake.memory = memory & 8 ? 40000 : 0;
	HOLDS(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	client = pair[1];
	epoll = epoll_create1(EPOLL_CLOEXEC);
	HOLDS(!usbfs_session_begin(&session, &device, pair[0], DEVID, epoll, &counters));
}

/* What waits to be sent is as vhci-hcd wants it. */
static void check_replies(void)
{
	const struct transfer *transfer = session.transfers.done.first;
	struct urb_reply reply;
	struct urb_packet packet;

	for (; transfer; transfer = transfer->next) {
		const struct iovec *part = transfer->part, *end = part + transfer->parts;
		const uint8_t *wire;
		uint32_t sum = 0;

		HOLDS(transfer->state == TRANSFER_DONE && part < end && !transfer->flying);
		HOLDS(part->iov_len == URB_SIZE && !urb_reply_decode(part->iov_base, &reply));
		if (reply.code == URB_RET_SUBMIT) {
			HOLDS(reply.seqnum == transfer->command.seqnum);
			HOLDS(reply.length <= transfer->command.length);
			HOLDS(reply.packets == transfer->packets);
			part++;
			if (transfer->command.in && reply.length)
				HOLDS(part < end && part++->iov_len == reply.length);
			wire = reply.packets ? part->iov_base : NULL;
			for (uint32_t i = 0; i < reply.packets; i++, wire += URB_PACKET_SIZE) {
				urb_packet_decode(wire, &packet);
				HOLDS(packet.actual <= packet.length);
				sum += packet.actual;
			}
			HOLDS(!reply.packets || sum == reply.length);
			part += reply.packets > 0;
			HOLDS((part < end) == transfer->unlinked);
		}
		if (part < end) {
			HOLDS(part + 1 == end && !urb_reply_decode(part->iov_base, &reply));
			HOLDS(reply.code == URB_RET_UNLINK);
			HOLDS(reply.status == 0 || reply.status == -104);
		}
	}
}

static void complete_one(void)
{
	static const int statuses[] = { 0, 0, 0, 0, -EPIPE, -EREMOTEIO, -EPROTO, -EOVERFLOW };
	unsigned i = fake.urbs ? number(fake.urbs) : 0;
	struct fake_urb *urb = &fake.urb[i];
	unsigned setup;

	if (!fake.urbs || urb->done)
		return;
	setup = urb->was->type == USBDEVFS_URB_TYPE_CONTROL ? 8 : 0;
	for (int n = 0; urb->was->type == USBDEVFS_URB_TYPE_ISO && n < urb->was->number_of_packets;
	     n++) {
		urb->packet[n].actual_length = number(urb->packet[n].length + 2);
		urb->packet[n].status = number(4) ? 0 : (unsigned)-EILSEQ;
	}
	fake_done(i, statuses[number(8)], number((uint32_t)urb->size - setup + 1));
}

/* What else may happen. */
static int happen(void)
{
	static const int errors[] = { -ENOMEM, -ENOMEM, -ENOENT, -EINVAL, -EREMOTEIO, -ENOSPC };

	switch (number(16)) {
	case 0:
		fake.fail_number = _IOC_NR(USBDEVFS_SUBMITURB);
		fake.fail_error = errors[number(6)];
		fake.fail_after = number(3);
		fake.fail_times = 1 + number(3);
		return 0;
	case 1:
		return (int)usbfs_session_ready(&session, -1, 0);
	case 2:
		fake.discard_loses = number(2);
		return 0;
	case 3:
		if (number(32))
			return 0;
		fake.gone = true;
		fake_kill(-1);
		return (int)usbfs_session_ready(&session, device.fd, EPOLLHUP | EPOLLERR);
	default:
		complete_one();
		return (int)usbfs_session_ready(&session, device.fd, EPOLLOUT);
	}
}

static int run(bool reads)
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
			end = happen();
		check_replies();
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
	HOLDS(!fake.fault && !fake.urbs && !fake.maps);
	HOLDS(!transfers->flying && !transfers->buffers.mapped && !counters.in_flight);
	close(client);
	close(epoll);
	close(device.fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece, n;
	bool reads;
	int end = 0;

	if (size < 3)
		return 0;
	piece = data[0] ? data[0] : 4096;
	reads = !(data[1] & 0x80);
	set_up(data[1], data[2]);
	for (size_t at = 3; at < size && !end; at += n) {
		ssize_t sent;

		n = size - at < piece ? size - at : piece;
		sent = send(client, data + at, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		n = sent > 0 ? (size_t)sent : 0;
		end = run(reads);
		if (sent <= 0 && !number(8))
			break;
	}
	for (unsigned i = 0; i < 8 && !end; i++)
		end = run(true);
	shutdown(client, SHUT_WR);
	for (unsigned i = 0; i < 8 && !end; i++)
		end = run(true);
	HOLDS(!end || usbfs_end_text((enum usbfs_end)end)[0]);
	tear_down();
	return 0;
}

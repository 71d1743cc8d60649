/* SPDX-License-Identifier: MIT */
/*
 * Tests of usbfs/session, transfer, pieces, special and buffers, with a usbfs that the test plays
 * and a client at the other end of a socket.
 * LINK: -Wl,--wrap=usbfs_ioctl,--wrap=usbfs_map,--wrap=usbfs_unmap
 * LINK: -Wl,--wrap=recv,--wrap=send,--wrap=epoll_ctl
 */
#include "usbfs/session.h"

#include "tests/check.h"
#include "tests/usbfs.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DEVID = 0x10002, BULK = 1, INTERRUPT = 3, ISO = 4, OTHER = 5, BIG = 1 << 20 };

static const uint8_t descriptors[] = {
	18, 1, 0, 2, 0, 0, 0, 64, 0x27, 6, 1, 0, 0, 1, 0, 0, 0, 2, /* device */
	9, 2, 71, 0, 2, 1, 0, 0x80, 50,				   /* configuration 1 */
	9, 4, 0, 0, 3, 8, 6, 80, 0,				   /* interface 0 */
	7, 5, 0x81, 2, 0, 2, 0, 7, 5, 0x01, 2, 0, 2, 0, 7, 5, 0x83, 3, 8, 0, 10,
	9, 4, 2, 0, 0, 1, 2, 0, 0, /* interface 2, settings 0 and 1 */
	9, 4, 2, 1, 2, 1, 2, 0, 0, 7, 5, 0x84, 1, 0, 4, 1, 7, 5, 0x04, 1, 0, 4, 1,
	9, 2, 25, 0, 1, 2, 0, 0x80, 50,				/* configuration 2 */
	9, 4, 1, 0, 1, 255, 0, 0, 0, 7, 5, 0x85, 2, 0, 2, 0, /* interface 1 */
};

static struct {
	struct usbfs_device device;
	struct usbfs_session session;
	struct urb_counters counters;
	int epoll, client;
	uint32_t seqnum; /* of the latest request */
	enum usbfs_end end;
	unsigned interrupts; /* of the session's next calls of recv(2) and send(2) */
	unsigned watched;    /* calls of epoll_ctl(2) */
	unsigned fail_watch; /* so many more, and they fail; 0: they do not */
	/* the latest reply */
	struct urb_reply reply;
	uint8_t data[2 * BIG];
	struct urb_packet packet[URB_PACKETS_MAX];
} t;

static bool is_interrupted(int socket)
{
	if (!t.interrupts || socket != t.session.socket)
		return false;
	t.interrupts--;
	errno = EINTR;
	return true;
}

ssize_t __real_recv(int socket, void *data, size_t len, int flags);
ssize_t __wrap_recv(int socket, void *data, size_t len, int flags);
ssize_t __real_send(int socket, const void *data, size_t len, int flags);
ssize_t __wrap_send(int socket, const void *data, size_t len, int flags);

ssize_t __wrap_recv(int socket, void *data, size_t len, int flags)
{
	return is_interrupted(socket) ? -1 : __real_recv(socket, data, len, flags);
}

ssize_t __wrap_send(int socket, const void *data, size_t len, int flags)
{
	return is_interrupted(socket) ? -1 : __real_send(socket, data, len, flags);
}

int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
	t.watched++;
	if (!t.fail_watch || --t.fail_watch)
		return __real_epoll_ctl(epoll, what, fd, event);
	errno = ENOSPC;
	return -1;
}

static void open_device(void)
{
	memset(&t.device, 0, sizeof(t.device));
	t.device.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t.device.memory = USBFS_MEMORY;
	memcpy(t.device.descriptors, descriptors, sizeof(descriptors));
	t.device.len = sizeof(descriptors);
	must(!usbfs_endpoints_read(descriptors, sizeof(descriptors), 1, &t.device.endpoints),
	     "read the descriptors");
}

static int begin_with(void (*change)(void))
{
	int pair[2], size = 4 * BIG;

	fake_reset();
	memset(&t.counters, 0, sizeof(t.counters));
	memset(&t.session, 0xa5, sizeof(t.session)); /* as another session may leave it */
	open_device();
	if (change)
		change();
	t.epoll = epoll_create1(EPOLL_CLOEXEC);
	must(t.epoll >= 0 && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
	     "make a connection");
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	t.client = pair[1];
	t.seqnum = 100;
	t.end = USBFS_RUNNING;
	t.watched = 0;
	return usbfs_session_begin(&t.session, &t.device, pair[0], DEVID, t.epoll, &t.counters);
}

static void start_with(void (*change)(void))
{
	must(!begin_with(change), "begin");
}

static void start(void)
{
	start_with(NULL);
}

static void stop(void)
{
	usbfs_session_end(&t.session);
	CHECK_INT(fake.urbs, 0);
	CHECK_INT(fake.maps, 0);
	CHECK_INT(fake.plains, 0);
	CHECK_INT(t.counters.in_flight, 0);
	if (fake.fault)
		check_fault(__FILE__, __LINE__, "%s", fake.fault);
	close(t.device.fd);
	close(t.epoll);
	close(t.client);
}

/* What the socket has to say is done, until nothing is to be done. The device's node can always be
 * written to, and says so once. */
static void run(void)
{
	struct epoll_event event;

	while (!t.end && epoll_wait(t.epoll, &event, 1, 0) > 0)
		if (event.data.fd != t.device.fd)
			t.end = usbfs_session_ready(&t.session, event.data.fd, event.events);
}

/* The kernel tells that URBs are done. */
static void reap(void)
{
	if (!t.end)
		t.end = usbfs_session_ready(&t.session, t.device.fd, EPOLLOUT);
	run();
}

static void tick(void)
{
	t.end = usbfs_session_ready(&t.session, -1, 0);
	run();
}

static void send_bytes(const void *bytes, size_t len)
{
	must(send(t.client, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len, "send");
}

static struct urb_command request(unsigned endpoint, bool in, uint32_t length)
{
	struct urb_command command = { .code = URB_CMD_SUBMIT,
				       .devid = DEVID,
				       .seqnum = ++t.seqnum,
				       .in = in,
				       .endpoint = (uint8_t)endpoint,
				       .length = length };

	return command;
}

static void send_command(const struct urb_command *command)
{
	uint8_t bytes[URB_SIZE];

	urb_command_encode(bytes, command);
	send_bytes(bytes, sizeof(bytes));
}

static uint8_t pattern(uint32_t seqnum, size_t i)
{
	return (uint8_t)(seqnum * 7 + i + i / 255);
}

/* Sends a request, with data, which are a pattern. Returns its seqnum. */
static uint32_t submit(unsigned endpoint, bool in, uint32_t length)
{
	struct urb_command command = request(endpoint, in, length);

	send_command(&command);
	for (uint32_t i = 0; !in && i < length; i++)
		t.data[i] = pattern(t.seqnum, i);
	if (!in)
		send_bytes(t.data, length);
	run();
	return t.seqnum;
}

static uint32_t unlink_urb(uint32_t victim)
{
	struct urb_command command = { .code = URB_CMD_UNLINK,
				       .devid = DEVID,
				       .seqnum = ++t.seqnum,
				       .victim = victim };

	send_command(&command);
	run();
	return t.seqnum;
}

static uint32_t control(const uint8_t setup[8], bool in, uint32_t length)
{
	struct urb_command command = request(0, in, length);

	memcpy(command.setup, setup, 8);
	send_command(&command);
	memset(t.data, 0x55, length);
	if (!in)
		send_bytes(t.data, length);
	run();
	return t.seqnum;
}

#define CONTROL(length, ...) control((const uint8_t[8]){ __VA_ARGS__ }, false, length)
#define CONTROL_IN(length, ...) control((const uint8_t[8]){ __VA_ARGS__ }, true, length)

/* URB i is done: a read has got the pattern of seqnum. */
static void done(unsigned i, uint32_t seqnum, int status, unsigned actual)
{
	size_t at = fake.urb[i].was->type == USBDEVFS_URB_TYPE_CONTROL ? 8 : 0;

	for (size_t n = 0; fake_reads(fake.urb[i].was) && n + at < fake.urb[i].size; n++)
		fake.urb[i].data[at + n] = pattern(seqnum, n);
	fake_done(i, status, actual);
}

/* Receives one reply, with what follows: length of a read. Returns false if there is none. */
static bool receive(bool in)
{
	uint8_t bytes[URB_SIZE];
	ssize_t n = recv(t.client, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n <= 0)
		return false;
	must(n == URB_SIZE && !urb_reply_decode(bytes, &t.reply), "decode the reply");
	if (in && t.reply.length)
		must(recv(t.client, t.data, t.reply.length, MSG_DONTWAIT | MSG_WAITALL) ==
			     (ssize_t)t.reply.length,
		     "receive the data");
	for (uint32_t i = 0; i < t.reply.packets; i++) {
		uint8_t packet[URB_PACKET_SIZE];

		must(recv(t.client, packet, sizeof(packet), MSG_DONTWAIT) == sizeof(packet),
		     "receive the packets");
		urb_packet_decode(packet, &t.packet[i]);
	}
	return true;
}

static void expect_line(int line, bool in, uint32_t code, uint32_t seqnum, int status,
			uint32_t length)
{
	if (!receive(in)) {
		check_fault(__FILE__, line, "no reply");
		return;
	}
	if (t.reply.code != code || t.reply.seqnum != seqnum || t.reply.status != status ||
	    t.reply.length != length)
		check_fault(__FILE__, line, "the reply is %u of %u, status %d, length %u",
			    t.reply.code, t.reply.seqnum, t.reply.status, t.reply.length);
	for (uint32_t i = 0; in && !t.reply.packets && i < t.reply.length; i++)
		if (t.data[i] != pattern(seqnum, i)) {
			check_fault(__FILE__, line, "byte %u differs", i);
			return;
		}
}

#define EXPECT(seqnum, status, length)                                                             \
	expect_line(__LINE__, false, URB_RET_SUBMIT, seqnum, status, length)
#define EXPECT_IN(seqnum, status, length)                                                          \
	expect_line(__LINE__, true, URB_RET_SUBMIT, seqnum, status, length)
#define EXPECT_UNLINK(seqnum, status)                                                              \
	expect_line(__LINE__, false, URB_RET_UNLINK, seqnum, status, 0)
#define EXPECT_NONE() CHECK(!receive(false))

static unsigned calls(unsigned long request)
{
	return fake.calls[_IOC_NR(request)];
}

static void data_both_ways(void)
{
	static const uint32_t lengths[] = { 0, 1, 511, 512, 513, 4096, 65536, BIG, BIG + 1 };
	uint32_t seqnum;

	start();
	for (size_t i = 0; i < LENGTH(lengths); i++) {
		uint32_t length = lengths[i];

		seqnum = submit(BULK, true, length);
		CHECK_INT(fake.urbs, 1);
		CHECK_INT(fake.urb[0].was->type, USBDEVFS_URB_TYPE_BULK);
		CHECK_INT(fake.urb[0].was->endpoint, 0x81);
		CHECK_INT(fake.urb[0].was->buffer_length, length);
		EXPECT_NONE();
		done(0, seqnum, 0, length);
		reap();
		EXPECT_IN(seqnum, 0, length);
		seqnum = submit(BULK, false, length);
		CHECK_INT(fake.urb[0].was->endpoint, 1);
		CHECK(!memcmp(fake.urb[0].data, t.data, length));
		done(0, seqnum, 0, length);
		reap();
		EXPECT(seqnum, 0, length);
	}
	seqnum = submit(INTERRUPT, true, 8);
	CHECK_INT(fake.urb[0].was->type, USBDEVFS_URB_TYPE_INTERRUPT);
	CHECK_INT(t.counters.in_flight, 1);
	done(0, seqnum, 0, 3);
	reap();
	EXPECT_IN(seqnum, 0, 3);
	EXPECT_NONE();
	CHECK_INT(t.counters.urbs, 2 * LENGTH(lengths) + 1);
	CHECK_INT(t.counters.bytes_out, 3 * BIG - BIG + 1 + 65536 + 4096 + 513 + 512 + 511 + 1);
	CHECK_INT(t.counters.bytes_in, t.counters.bytes_out + 3);
	CHECK_INT(t.counters.errors, 0);
	CHECK_INT(t.watched, 2);
	/* nothing is asked for when nothing is in flight */
	CHECK_INT(calls(USBDEVFS_REAPURBNDELAY), t.counters.urbs);
	stop();
	CHECK_INT(calls(USBDEVFS_DISCARDURB), 0);
}

/* However the bytes are cut into pieces. */
static void in_pieces(void)
{
	static const size_t pieces[] = { 1, 7, 47, 48, 49, 95, 96, 97, 150, 5000 };
	uint8_t bytes[3 * URB_SIZE + 100], *at = bytes;
	struct urb_command command;

	for (size_t p = 0; p < LENGTH(pieces); p++) {
		start();
		at = bytes;
		for (int i = 0; i < 3; i++) {
			command = request(BULK, i != 1, 100);
			urb_command_encode(at, &command);
			at += URB_SIZE;
			for (size_t n = 0; i == 1 && n < 100; n++)
				*at++ = pattern(t.seqnum, n);
		}
		for (size_t i = 0; i < sizeof(bytes); i += pieces[p]) {
			size_t n = sizeof(bytes) - i;

			send_bytes(bytes + i, n < pieces[p] ? n : pieces[p]);
			run();
		}
		CHECK_INT(t.end, USBFS_RUNNING);
		CHECK_INT(fake.urbs, 3);
		for (size_t n = 0; n < 100; n++)
			CHECK(fake.urb[1].data[n] == pattern(102, n));
		stop();
	}
}

static const unsigned orders[24][4] = {
	{ 0, 1, 2, 3 }, { 0, 1, 3, 2 }, { 0, 2, 1, 3 }, { 0, 2, 3, 1 }, { 0, 3, 1, 2 },
	{ 0, 3, 2, 1 }, { 1, 0, 2, 3 }, { 1, 0, 3, 2 }, { 1, 2, 0, 3 }, { 1, 2, 3, 0 },
	{ 1, 3, 0, 2 }, { 1, 3, 2, 0 }, { 2, 0, 1, 3 }, { 2, 0, 3, 1 }, { 2, 1, 0, 3 },
	{ 2, 1, 3, 0 }, { 2, 3, 0, 1 }, { 2, 3, 1, 0 }, { 3, 0, 1, 2 }, { 3, 0, 2, 1 },
	{ 3, 1, 0, 2 }, { 3, 1, 2, 0 }, { 3, 2, 0, 1 }, { 3, 2, 1, 0 },
};

static void every_order(void)
{
	start();
	for (size_t i = 0; i < LENGTH(orders); i++) {
		uint32_t first = submit(BULK, true, 10);

		submit(BULK, false, 10);
		submit(INTERRUPT, true, 10);
		submit(BULK, true, 10);
		for (unsigned n = 0; n < 4; n++)
			done(orders[i][n], first + orders[i][n], 0, 10);
		reap();
		for (unsigned n = 0; n < 4; n++)
			expect_line(__LINE__, orders[i][n] != 1, URB_RET_SUBMIT,
				    first + orders[i][n], 0, 10);
	}
	stop();
}

static void statuses(void)
{
	static const struct {
		int here, wire;
	} status[] = { { -EPIPE, -32 },	     { -EPROTO, -71 },	  { -EOVERFLOW, -75 },
		       { -EREMOTEIO, -121 }, { -ESHUTDOWN, -108 }, { -EILSEQ, -84 },
		       { -ENOENT, -108 /* killed by somebody else */ } };

	start();
	for (size_t i = 0; i < LENGTH(status); i++) {
		uint32_t seqnum = submit(BULK, true, 64);

		done(0, seqnum, status[i].here, 5);
		reap();
		EXPECT_IN(seqnum, status[i].wire, 5);
	}
	CHECK_INT(t.counters.errors, LENGTH(status));
	stop();
}

static void flags(void)
{
	struct urb_command command;

	start();
	for (int i = 0; i < 4; i++) {
		command = request(i & 1 ? INTERRUPT : BULK, true, 0);
		command.flags = UINT32_MAX;
		if (i > 1) {
			command.in = false;
			command.endpoint = BULK;
		}
		command.packets = UINT32_MAX;
		send_command(&command);
		run();
		CHECK_INT(fake.urb[i].was->flags,
			  command.in ? USBDEVFS_URB_SHORT_NOT_OK : USBDEVFS_URB_ZERO_PACKET);
	}
	/* of a control transfer the setup tells the direction */
	for (unsigned i = 0; i < 4; i++) {
		command = request(0, i == 3, 8);
		command.flags = UINT32_MAX;
		command.setup[0] = i ? 0xc0 : 0x40;
		command.setup[6] = i > 1 ? 8 : 0;
		if (!i)
			command.setup[6] = 8;
		send_command(&command);
		if (!command.in)
			send_bytes(t.data, 8);
		run();
		CHECK_INT(fake.urb[4 + i].was->flags, i > 1 ? USBDEVFS_URB_SHORT_NOT_OK : 0);
	}
	submit(BULK, true, 8);
	CHECK_INT(fake.urb[8].was->flags, 0);
	submit(BULK, false, 8);
	CHECK_INT(fake.urb[9].was->flags, 0);
	stop();
}

static void control_data(void)
{
	uint32_t seqnum;

	start();
	seqnum = CONTROL_IN(18, 0x80, 6, 0, 1, 0, 0, 18, 0);
	CHECK_INT(fake.urb[0].was->type, USBDEVFS_URB_TYPE_CONTROL);
	CHECK_INT(fake.urb[0].was->buffer_length, 8 + 18);
	CHECK(!memcmp(fake.urb[0].data, "\x80\6\0\1\0\0\x12\0", 8));
	done(0, seqnum, 0, 18);
	reap();
	EXPECT_IN(seqnum, 0, 18);
	/* the setup asks for more than the client has room for, and for less */
	seqnum = CONTROL_IN(8, 0x80, 6, 0, 2, 0, 0, 255, 1);
	CHECK_INT(fake.urb[0].was->buffer_length, 8 + 511);
	done(0, seqnum, 0, 300);
	reap();
	EXPECT_IN(seqnum, 0, 8);
	seqnum = CONTROL_IN(64, 0x80, 6, 0, 2, 0, 0, 18, 0);
	CHECK_INT(fake.urb[0].was->buffer_length, 8 + 64);
	done(0, seqnum, 0, 18);
	reap();
	EXPECT_IN(seqnum, 0, 18);
	seqnum = CONTROL_IN(1000, 0x80, 6, 0, 2, 0, 0, 18, 0);
	CHECK_INT(fake.urb[0].was->buffer_length, 8 + 1000);
	done(0, seqnum, 0, 18);
	reap();
	EXPECT_IN(seqnum, 0, 18);
	/* what the client did not send is zero */
	seqnum = CONTROL(4, 0x40, 1, 0, 0, 0, 0, 10, 0);
	CHECK_INT(fake.urb[0].was->endpoint, 0);
	CHECK(!memcmp(fake.urb[0].data, "\x40\1\0\0\0\0\x0a\0\x55\x55\x55\x55\0\0\0\0\0\0", 18));
	done(0, seqnum, 0, 10);
	reap();
	EXPECT(seqnum, 0, 4);
	/* the directions differ: nothing is read that was not written */
	seqnum = CONTROL_IN(16, 0x40, 1, 0, 0, 0, 0, 16, 0);
	for (int i = 8; i < 24; i++)
		CHECK_INT(fake.urb[0].data[i], 0);
	fake_done(0, 0, 16);
	reap();
	CHECK(receive(true) && t.reply.length == 16 && !t.data[0] && !t.data[15]);
	seqnum = CONTROL(16, 0xc0, 1, 0, 0, 0, 0, 16, 0);
	done(0, seqnum, 0, 16);
	reap();
	EXPECT(seqnum, 0, 16);
	seqnum = CONTROL_IN(65535, 0xc0, 1, 0, 0, 0, 0, 255, 255);
	done(0, seqnum, 0, 65535);
	reap();
	EXPECT_IN(seqnum, 0, 65535);
	stop();
}

static void refused(void)
{
	static const int errors[] = { -ENOENT, -EINVAL, -EHOSTUNREACH };
	uint32_t seqnum;

	start();
	for (size_t i = 0; i < LENGTH(errors); i++) {
		fake.fail_number = _IOC_NR(USBDEVFS_SUBMITURB);
		fake.fail_error = errors[i];
		fake.fail_times = 1;
		seqnum = submit(BULK, false, 20);
		EXPECT(seqnum, -EPIPE, 0);
	}
	fake.fail_error = -EREMOTEIO;
	fake.fail_times = 1;
	seqnum = submit(BULK, true, 20);
	EXPECT(seqnum, -121, 0);
	fake.fail_error = -EAGAIN; /* it does not wait for anything of ours */
	fake.fail_times = 1;
	seqnum = submit(BULK, true, 20);
	EXPECT(seqnum, -16, 0);
	seqnum = submit(9, false, 20); /* there is no such endpoint */
	EXPECT(seqnum, -EPIPE, 0);
	seqnum = submit(ISO, true, 20); /* in another setting */
	EXPECT(seqnum, -EPIPE, 0);
	CHECK_INT(t.end, USBFS_RUNNING);
	CHECK_INT(t.counters.errors, 7);
	stop();
}

static void unlinks(void)
{
	uint32_t seqnum, unlink;

	start();
	/* in flight, without and with data */
	seqnum = submit(BULK, true, 64);
	unlink = unlink_urb(seqnum);
	CHECK_INT(calls(USBDEVFS_DISCARDURB), 1);
	EXPECT_NONE();
	reap();
	EXPECT_UNLINK(unlink, -104);
	EXPECT_NONE();
	seqnum = submit(BULK, true, 64);
	done(0, seqnum, 0, 17);
	fake.urb[0].done = 0;
	unlink = unlink_urb(seqnum);
	reap();
	EXPECT_IN(seqnum, -104, 17);
	EXPECT_UNLINK(unlink, -104);
	EXPECT_NONE();
	CHECK_INT(t.counters.errors, 0);
	/* complete, but the kernel has not told; and while it is killed */
	seqnum = submit(BULK, true, 64);
	done(0, seqnum, -EPIPE, 20);
	unlink = unlink_urb(seqnum);
	reap();
	EXPECT_IN(seqnum, -32, 20);
	EXPECT_UNLINK(unlink, 0);
	fake.discard_loses = true;
	seqnum = submit(BULK, false, 64);
	unlink = unlink_urb(seqnum);
	reap();
	EXPECT(seqnum, 0, 0);
	EXPECT_UNLINK(unlink, 0);
	fake.discard_loses = false;
	/* replied to, long ago */
	unlink = unlink_urb(seqnum);
	EXPECT_UNLINK(unlink, 0);
	unlink = unlink_urb(3);
	EXPECT_UNLINK(unlink, 0);
	EXPECT_NONE();
	CHECK_INT(t.end, USBFS_RUNNING);
	/* of two only one */
	seqnum = submit(BULK, true, 64);
	submit(BULK, true, 64);
	unlink = unlink_urb(seqnum + 1);
	reap();
	EXPECT_UNLINK(unlink, -104);
	done(0, seqnum, 0, 64);
	reap();
	EXPECT_IN(seqnum, 0, 64);
	/* twice */
	seqnum = submit(BULK, true, 64);
	unlink_urb(seqnum);
	unlink_urb(seqnum);
	CHECK_INT(t.end, USBFS_BAD_SEQNUM);
	stop();
}

static void early_unlinks(void)
{
	uint32_t unlink, victim;

	start();
	victim = submit(BULK, true, 8) + 20;
	unlink = unlink_urb(victim);
	submit(BULK, true, 8);
	EXPECT_NONE();
	t.seqnum = victim - 1;
	submit(BULK, true, 8);
	EXPECT_UNLINK(unlink, -104);
	CHECK_INT(fake.urbs, 2);
	EXPECT_NONE();
	/* the same number is a URB of its own later */
	CHECK_INT(t.session.earlies, 0);
	for (uint32_t i = 0; i < USBFS_EARLY_MAX; i++)
		unlink_urb(1000 + i);
	CHECK_INT(t.end, USBFS_RUNNING);
	unlink_urb(2000);
	CHECK_INT(t.end, USBFS_BAD_UNLINKS);
	stop();
	/* before any: it is of the session before; and numbers that are not in order */
	start();
	unlink = unlink_urb(UINT32_MAX - 5);
	EXPECT_UNLINK(unlink, 0);
	unlink = unlink_urb(497);
	EXPECT_UNLINK(unlink, 0);
	t.seqnum = UINT32_MAX - 6;
	victim = submit(BULK, true, 8);
	done(0, victim, 0, 8);
	reap();
	EXPECT_IN(victim, 0, 8);
	stop();
	start();
	t.seqnum = 199;
	submit(BULK, true, 8);
	t.seqnum = 149;
	submit(BULK, true, 8);
	unlink = unlink_urb(170); /* it has completed */
	EXPECT_UNLINK(unlink, 0);
	stop();
}

/* Sequence numbers wrap. */
static void wrapping(void)
{
	uint32_t unlink;

	start();
	t.seqnum = UINT32_MAX - 2;
	submit(BULK, true, 8);
	unlink = unlink_urb(1);
	t.seqnum = 0;
	submit(BULK, true, 8);
	EXPECT_UNLINK(unlink, -104);
	t.seqnum = 10;
	unlink = unlink_urb(UINT32_MAX - 20);
	EXPECT_UNLINK(unlink, 0);
	stop();
}

/* The client reads a descriptor of that type. */
static void describe(uint8_t type)
{
	CONTROL_IN(18, 0x80, 6, 0, type, 0, 0, 18, 0);
	done(0, t.seqnum, 0, 18);
	reap();
	EXPECT_IN(t.seqnum, 0, 18);
	fake.log[0] = '\0';
}

static void special_requests(void)
{
	uint32_t seqnum;

	start();
	describe(1); /* as every client does */
	seqnum = CONTROL(0, 0, 9, 1, 0, 0, 0, 0, 0);
	EXPECT(seqnum, 0, 0);
	CHECK_STR(fake.log, "release 0, release 2, configure 1, claim 0, claim 2");
	describe(3); /* a string */
	/* a program at the client sets it again: no reset */
	CONTROL(0, 0, 9, 1, 0, 0, 0, 0, 0);
	EXPECT(t.seqnum, 0, 0);
	CHECK_STR(fake.log, "release 0, release 2, configure 1, claim 0, claim 2");
	/* the client has reset its port */
	describe(1);
	CONTROL(0, 0, 9, 1, 0, 0, 0, 0, 0);
	EXPECT(t.seqnum, 0, 0);
	CHECK_STR(fake.log, "reset 0, release 0, release 2, claim 0, claim 2, "
			    "release 0, release 2, configure 1, claim 0, claim 2");
	/* once */
	fake.log[0] = '\0';
	CONTROL(0, 0, 9, 1, 0, 0, 0, 0, 0);
	EXPECT(t.seqnum, 0, 0);
	CHECK(!strstr(fake.log, "reset"));
	/* a reset that fails is its answer */
	describe(1);
	fake.log[0] = '\0';
	fake.fail_number = _IOC_NR(USBDEVFS_RESET);
	fake.fail_error = -EIO;
	fake.fail_times = 1;
	CONTROL(0, 0, 9, 1, 0, 0, 0, 0, 0);
	EXPECT(t.seqnum, -EIO, 0);
	CONTROL(0, 0, 9, 1, 0, 0, 0, 0, 0);
	EXPECT(t.seqnum, 0, 0);
	CHECK_STR(fake.log, "release 0, release 2, configure 1, claim 0, claim 2");
	/* but not if it worked meanwhile */
	CONTROL_IN(18, 0x80, 6, 0, 1, 0, 0, 18, 0);
	submit(BULK, false, 1);
	fake_done(0, 0, 18);
	fake_done(1, 0, 1);
	reap();
	receive(true);
	receive(false);
	fake.log[0] = '\0';
	CONTROL(0, 0, 9, 1, 0, 0, 0, 0, 0);
	EXPECT(t.seqnum, 0, 0);
	CHECK(!strstr(fake.log, "reset"));
	/* another one, and one that is not there */
	describe(1);
	CONTROL(0, 0, 9, 2, 0, 0, 0, 0, 0);
	EXPECT(t.seqnum, 0, 0);
	CHECK_STR(fake.log, "release 0, release 2, configure 2, claim 1");
	CHECK_INT(t.device.endpoints.configuration, 2);
	seqnum = submit(OTHER, true, 8);
	CHECK_INT(fake.urbs, 1);
	fake.log[0] = '\0';
	CONTROL(0, 0, 9, 9, 0, 0, 0, 0, 0);
	CHECK_STR(fake.log, "release 1, configure 9, claim 1");
	EXPECT(t.seqnum, -EPIPE, 0);
	reap();
	EXPECT_IN(seqnum, -108, 0);
	CONTROL(0, 0, 9, 1, 0, 0, 0, 0, 0);
	EXPECT(t.seqnum, 0, 0);
	/* settings */
	seqnum = submit(BULK, true, 8);
	fake.log[0] = '\0';
	CONTROL(0, 1, 11, 1, 0, 2, 0, 0, 0);
	CHECK_STR(fake.log, "interface 2");
	EXPECT(t.seqnum, 0, 0);
	CHECK(t.device.endpoints.in[ISO].exists);
	reap();
	EXPECT_IN(seqnum, -108, 0);
	CONTROL(0, 1, 11, 2, 0, 2, 0, 0, 0);
	EXPECT(t.seqnum, -EPIPE, 0);
	CHECK(t.device.endpoints.in[ISO].exists);
	/* halts */
	fake.log[0] = '\0';
	CONTROL(0, 2, 1, 0, 0, 0x81, 0, 0, 0);
	CHECK_STR(fake.log, "clear 129");
	EXPECT(t.seqnum, 0, 0);
	fake.fail_number = _IOC_NR(USBDEVFS_CLEAR_HALT);
	fake.fail_error = -ENOENT;
	fake.fail_times = 1;
	CONTROL(0, 2, 1, 0, 0, 0x8a, 0, 0, 0);
	EXPECT(t.seqnum, -EPIPE, 0);
	fake.log[0] = '\0';
	CONTROL(0, 0x23, 3, 4, 0, 1, 0, 0, 0);
	CHECK_STR(fake.log, "reset 0, release 0, release 2, claim 0, claim 2");
	EXPECT(t.seqnum, 0, 0);
	CHECK(!t.device.endpoints.in[ISO].exists);
	/* the device is asked what looks alike */
	fake.log[0] = '\0';
	CONTROL(0, 2, 1, 0, 0, 0x80, 0, 0, 0);
	CONTROL(0, 2, 1, 1, 0, 0x81, 0, 0, 0);
	CONTROL(0, 0, 1, 1, 0, 0, 0, 0, 0);
	CONTROL(0, 0x23, 3, 8, 0, 1, 0, 0, 0);
	CONTROL(0, 0x40, 9, 1, 0, 0, 0, 0, 0);
	CONTROL_IN(0, 0x80, 9, 1, 0, 0, 0, 0, 0);
	CHECK_INT(fake.urbs, 6);
	CHECK_STR(fake.log, "");
	CHECK_INT(t.end, USBFS_RUNNING);
	stop();
}

static void use_iso(void)
{
	usbfs_endpoints_set(t.device.descriptors, t.device.len, &t.device.endpoints, 2, 1);
}

/* Packets of 100 bytes, each so many bytes behind the one before. */
static uint32_t submit_packets(bool in, uint32_t packets, uint32_t stride)
{
	static uint8_t bytes[URB_PACKETS_MAX * URB_PACKET_SIZE];
	struct urb_command command = request(ISO, in, packets * stride);

	command.packets = packets;
	command.start_frame = 77;
	send_command(&command);
	for (uint32_t i = 0; i < command.length; i++)
		t.data[i] = pattern(t.seqnum, i);
	if (!in)
		send_bytes(t.data, command.length);
	for (uint32_t i = 0; i < packets; i++) {
		struct urb_packet packet = { .offset = i * stride, .length = 100 };

		urb_packet_encode(bytes + i * URB_PACKET_SIZE, &packet);
	}
	send_bytes(bytes, packets * URB_PACKET_SIZE);
	run();
	return t.seqnum;
}

/* What waits, or waits with a part in flight, ends as what is in flight. */
static void kills_what_waits(void)
{
	static const uint8_t much[8] = { 0xc0, 1, 0, 0, 0, 0, 0xff, 0xff };
	uint32_t killed, other, special;

	start();
	/* of an interface: only its own */
	use_iso();
	fake.memory = 6000;
	submit(BULK, false, 5000);
	other = submit(BULK, true, 6000);
	killed = submit_packets(true, 60, 100);
	CHECK_INT(fake.urbs, 1);
	special = CONTROL(0, 1, 11, 0, 0, 2, 0, 0, 0);
	EXPECT(special, 0, 0);
	CHECK(receive(true));
	CHECK(t.reply.seqnum == killed && t.reply.status == -108 && t.reply.packets == 60);
	reap();
	CHECK(receive(false));
	CHECK_INT(fake.urbs, 1);
	done(0, other, 0, 6000);
	reap();
	EXPECT_IN(other, 0, 6000);
	submit(INTERRUPT, true, 5000);
	killed = submit(BULK, false, 6000);
	special = CONTROL(0, 1, 11, 1, 0, 2, 0, 0, 0);
	EXPECT(special, 0, 0);
	EXPECT_NONE();
	CHECK_INT(fake.urbs, 1);
	special = CONTROL(0, 1, 11, 0, 0, 0, 0, 0, 0);
	EXPECT(special, 0, 0);
	EXPECT(killed, -108, 0);
	reap();
	CHECK(receive(true));
	EXPECT_NONE();
	/* the last endpoint is one as well */
	t.device.endpoints.in[15] = t.device.endpoints.in[BULK];
	submit(INTERRUPT, true, 5000);
	killed = submit(15, true, 6000);
	special = CONTROL(0, 1, 11, 0, 0, 0, 0, 0, 0);
	EXPECT(special, 0, 0);
	EXPECT_IN(killed, -108, 0);
	reap();
	CHECK(receive(true));
	EXPECT_NONE();
	/* a request that fails kills, too; a halt that is cleared does not */
	submit(BULK, false, 5000);
	killed = submit(BULK, true, 6000);
	special = CONTROL(0, 2, 1, 0, 0, 0x81, 0, 0, 0);
	EXPECT(special, 0, 0);
	EXPECT_NONE();
	special = CONTROL(0, 1, 11, 7, 0, 0, 0, 0, 0);
	EXPECT(special, -EPIPE, 0);
	EXPECT_IN(killed, -108, 0);
	reap();
	CHECK(receive(false));
	stop();
	/* of all, by a configuration or a reset; what was unlinked before has had its reply */
	for (int reset = 0; reset < 2; reset++) {
		start();
		fake.memory = 5000;
		submit(BULK, false, 4000);
		killed = submit(BULK, true, 6000);
		other = submit(BULK, true, 10);
		unlink_urb(other);
		EXPECT_UNLINK(t.seqnum, -104);
		special = reset ? CONTROL(0, 0x23, 3, 4, 0, 1, 0, 0, 0)
				: CONTROL(0, 0, 9, 1, 0, 0, 0, 0, 0);
		EXPECT(special, 0, 0);
		EXPECT_IN(killed, -108, 0);
		CHECK_INT(t.end, USBFS_RUNNING);
		CHECK(usbfs_session_timeout(&t.session) != 50);
		reap();
		EXPECT(killed - 1, -108, 0);
		EXPECT_NONE();
		stop();
	}
	/* of one in pieces the rest is not submitted any more */
	start();
	fake.memory = 40000;
	killed = submit(BULK, false, 100000);
	CHECK_INT(fake.urbs, 1);
	special = CONTROL(0, 0, 9, 1, 0, 0, 0, 0, 0);
	EXPECT(special, 0, 0);
	fake.memory = 0;
	reap();
	EXPECT(killed, -108, 0);
	CHECK_INT(fake.urbs, 0);
	stop();
	/* what comes after a request that waits itself is left alone */
	start();
	t.device.memory = 5000;
	submit(BULK, false, 5000);
	control(much, true, 0);
	special = CONTROL(0, 0, 9, 1, 0, 0, 0, 0, 0);
	other = submit(BULK, true, 6000);
	CHECK_INT(fake.urbs, 1);
	fake_done(0, 0, 5000);
	reap();
	CHECK(receive(false));
	EXPECT(special, 0, 0);
	EXPECT_NONE();
	reap();
	CHECK(receive(true));
	EXPECT_NONE();
	CHECK_INT(fake.urbs, 1);
	done(0, other, 0, 6000);
	reap();
	EXPECT_IN(other, 0, 6000);
	stop();
}

static void iso_in(void)
{
	static const struct {
		unsigned actual;
		int status, wire;
	} packets[] = { { 100, 0, 0 }, { 50, 0, 0 }, { 0, -EXDEV, -18 }, { 7, -EILSEQ, -84 } };
	struct fake_urb *urb = &fake.urb[0];
	const struct usbdevfs_urb *place;
	uint32_t seqnum, sum = 0;
	uint8_t want[400], *at = want;

	start_with(use_iso);
	seqnum = submit_packets(true, 4, 128);
	CHECK_INT(fake.urbs, 1);
	CHECK_INT(urb->was->type, USBDEVFS_URB_TYPE_ISO);
	CHECK_INT(urb->was->endpoint, 0x84);
	CHECK_INT(urb->was->buffer_length, 400);
	CHECK_INT(urb->was->number_of_packets, 4);
	place = urb->urb;
	for (unsigned i = 0; i < 4; i++) {
		urb->packet[i].actual_length = packets[i].actual;
		urb->packet[i].status = (unsigned)packets[i].status;
		memset(urb->data + 100 * i, (int)i + 1, 100);
		memset(at, (int)i + 1, packets[i].actual);
		at += packets[i].actual;
		sum += packets[i].actual;
	}
	fake_done(0, 0, 157);
	reap();
	CHECK(receive(true));
	CHECK_INT(t.reply.seqnum, seqnum);
	CHECK_INT(t.reply.status, 0);
	CHECK_INT(t.reply.length, sum);
	CHECK_INT(t.reply.packets, 4);
	CHECK_INT(t.reply.errors, 2);
	CHECK(!memcmp(t.data, want, sum));
	for (unsigned i = 0; i < 4; i++) {
		CHECK_INT(t.packet[i].offset, i * 128);
		CHECK_INT(t.packet[i].length, 100);
		CHECK_INT(t.packet[i].actual, packets[i].actual);
		CHECK_INT(t.packet[i].status, packets[i].wire);
	}
	/* the memory for packets is used again, after another slot */
	for (int again = 0; again < 2; again++) {
		submit_packets(true, 4, 100);
		CHECK_INT(fake.urb[0].urb == place, again);
		fake_done(0, 0, 0);
		reap();
		CHECK(receive(true));
	}
	/* a packet of none, and none at all */
	seqnum = submit_packets(true, 0, 0);
	CHECK_INT(fake.urbs, 0);
	EXPECT(seqnum, 0, 0);
	CHECK_INT(t.reply.packets, 0);
	/* the endpoint is not there: what follows the request is not taken for the next one */
	usbfs_endpoints_set(t.device.descriptors, t.device.len, &t.device.endpoints, 2, 0);
	for (int in = 0; in < 2; in++) {
		seqnum = submit_packets(in, 3, 100);
		EXPECT(seqnum, -EPIPE, 0);
		CHECK_INT(t.reply.packets, 3);
		CHECK_INT(t.packet[2].offset, 200);
		CHECK_INT(t.packet[2].status, -EPIPE);
	}
	CHECK_INT(t.end, USBFS_RUNNING);
	stop();
}

/* False if it was killed. */
static bool complete(const struct usbdevfs_urb *urb)
{
	unsigned i = 0;

	while (i < fake.urbs && fake.urb[i].urb != urb)
		i++;
	if (i == fake.urbs)
		return false;
	if (fake.urb[i].packet)
		fake.urb[i].packet[0].actual_length = 100;
	fake_done(i, 0, 8);
	reap();
	return true;
}

static void expect_whole(unsigned which, uint32_t first, int status, uint32_t length)
{
	CHECK(receive(which > 0));
	CHECK_INT(t.reply.code, URB_RET_SUBMIT);
	CHECK_INT(t.reply.seqnum, first + which);
	CHECK_INT(t.reply.status, status);
	CHECK_INT(t.reply.length, length);
}

/* Three requests are four URBs, which complete in that order. When so many have, a request is
 * unlinked, and its URBs are killed, or complete meanwhile. */
static void play(const unsigned order[4], unsigned victim, unsigned when, bool loses)
{
	static const unsigned owner[] = { 0, 1, 1, 2 }, lengths[] = { 8, 200, 8 };
	unsigned left[] = { 1, 2, 1 }, request;
	const struct usbdevfs_urb *urb[4];
	uint32_t first = submit(BULK, false, 8);

	submit_packets(true, 129, 100);
	submit(INTERRUPT, true, 8);
	for (unsigned i = 0; i < 4; i++)
		urb[i] = fake.urb[i].urb;
	fake.discard_loses = loses;
	for (unsigned step = 0; step <= 4; step++) {
		if (step == when) {
			uint32_t length = victim == 1 && left[1] == 1 ? 100 : 0;
			bool killed = left[victim] && !loses;

			unlink_urb(first + victim);
			reap();
			if (left[victim] && (loses || length))
				expect_whole(victim, first, killed ? -104 : 0, length);
			EXPECT_UNLINK(t.seqnum, killed ? -104 : 0);
			left[victim] = 0;
		}
		request = step < 4 ? owner[order[step]] : 0;
		if (step < 4 && complete(urb[order[step]]) && !--left[request])
			expect_whole(request, first, 0, lengths[request]);
		EXPECT_NONE();
	}
	CHECK_INT(fake.urbs, 0);
	CHECK_INT(t.counters.in_flight, 0);
}

static void every_order_and_unlink(void)
{
	start_with(use_iso);
	for (unsigned i = 0; i < LENGTH(orders) * 3 * 5 * 2; i++)
		play(orders[i / 30], i / 10 % 3, i / 2 % 5, i % 2);
	CHECK_INT(t.end, USBFS_RUNNING);
	stop();
}

static void iso_out(void)
{
	uint32_t seqnum;

	start_with(use_iso);
	seqnum = submit_packets(false, 300, 128);
	CHECK_INT(fake.urbs, 3);
	for (unsigned i = 0; i < 300; i++)
		for (unsigned n = 0; n < 100; n++)
			if (fake.urb[i / 128].data[i % 128 * 100 + n] !=
			    pattern(seqnum, i * 128 + n)) {
				CHECK(!"the same data");
				i = 299;
				break;
			}
	CHECK_INT(fake.urb[0].was->buffer_length, 12800);
	CHECK_INT(fake.urb[2].was->buffer_length, 4400);
	for (unsigned u = 0; u < 3; u++) {
		for (unsigned i = 0; i < 128; i++)
			fake.urb[0].packet[i].actual_length = 100;
		if (u == 1) {
			fake.urb[0].packet[0].actual_length = 0;
			fake.urb[0].packet[0].status = (unsigned)-EXDEV;
		}
		fake_done(0, 0, 0);
		EXPECT_NONE();
		reap();
	}
	EXPECT(seqnum, 0, 29900);
	CHECK_INT(t.reply.packets, 300);
	CHECK_INT(t.reply.errors, 1);
	CHECK_INT(t.packet[128].status, -EXDEV);
	CHECK_INT(t.packet[129].status, 0);
	CHECK_INT(t.packet[299].offset, 299 * 128);
	/* as many as there may be; and unlinked */
	seqnum = submit_packets(true, URB_PACKETS_MAX, 100);
	CHECK_INT(fake.urbs, 8);
	fake.urb[0].packet[0].actual_length = 9;
	unlink_urb(seqnum);
	CHECK_INT(calls(USBDEVFS_DISCARDURB), 8);
	CHECK(fake.urb[0].done > fake.urb[7].done);
	reap();
	CHECK(receive(true));
	CHECK_INT(t.reply.status, -104);
	CHECK_INT(t.reply.length, 9);
	EXPECT_UNLINK(t.seqnum, -104);
	/* the second piece is refused */
	fake.fail_number = _IOC_NR(USBDEVFS_SUBMITURB);
	fake.fail_after = 1;
	fake.fail_times = 1;
	fake.fail_error = -ENOSPC;
	seqnum = submit_packets(false, 200, 100);
	CHECK_INT(fake.urbs, 1);
	EXPECT_NONE();
	fake.urb[0].packet[5].actual_length = 100;
	fake_done(0, 0, 0);
	reap();
	EXPECT(seqnum, -28, 100);
	CHECK_INT(t.packet[127].status, 0);
	CHECK_INT(t.packet[128].status, -28);
	CHECK_INT(t.reply.errors, 72);
	CHECK_INT(t.session.transfers.bytes, 0);
	stop();
}

/* The data of packets in any order, and the same data for several. */
static void iso_scattered(void)
{
	enum { PACKETS = 200, SIZE = 50, LENGTH_ALL = PACKETS * SIZE };
	static const char *const kinds[] = { "reversed", "the same", "shuffled", "overlapping",
					     "only the second", "only the last", "closed up" };
	uint8_t bytes[URB_PACKET_SIZE], want[LENGTH_ALL];
	struct urb_command command;
	const uint8_t *place;
	size_t before;

	for (unsigned kind = 0; kind < LENGTH(kinds); kind++) {
		for (int maps = 0; maps < 2; maps++) {
			start_with(use_iso);
			t.session.transfers.buffers.maps = maps;
			command = request(ISO, false, LENGTH_ALL);
			command.packets = PACKETS;
			send_command(&command);
			for (uint32_t i = 0; i < LENGTH_ALL; i++)
				t.data[i] = pattern(t.seqnum, i);
			send_bytes(t.data, LENGTH_ALL);
			run();
			place = t.session.receiving->buffer.data;
			for (uint32_t i = 0; i < PACKETS; i++) {
				const uint32_t offsets[] = { (PACKETS - 1 - i) * SIZE, 7,
							     i * 37 % PACKETS * SIZE, i * (SIZE - 1),
							     (i < 2 ? 1 - i : i) * SIZE,
							     i < PACKETS - 1 ? i * SIZE : 0,
							     i * SIZE };
				struct urb_packet packet = { .offset = offsets[kind],
							     .length = SIZE };

				urb_packet_encode(bytes, &packet);
				send_bytes(bytes, sizeof(bytes));
				memcpy(want + i * SIZE, t.data + packet.offset, SIZE);
			}
			run();
			CHECK_INT(fake.urbs, 2);
			CHECK((fake.urb[0].was->buffer == place) == (kind == LENGTH(kinds) - 1));
			if (memcmp(fake.urb[0].data, want, 128 * SIZE) != 0 ||
			    memcmp(fake.urb[1].data, want + 128 * SIZE, 72 * SIZE) != 0)
				check_fault(__FILE__, __LINE__, "%s: other data", kinds[kind]);
			CHECK_INT(fake.maps, maps);
			before = t.session.transfers.bytes;
			fake_done(0, 0, 0);
			fake_done(1, 0, 0);
			reap();
			EXPECT(t.seqnum, 0, 0);
			CHECK(before < 3 * LENGTH_ALL);
			CHECK_INT(t.session.transfers.bytes, 0);
			for (int i = 0; i < 3; i++) { /* the next ones are not */
				submit(BULK, false, LENGTH_ALL);
				CHECK(!memcmp(fake.urb[0].data, t.data, LENGTH_ALL));
				fake_done(0, 0, LENGTH_ALL);
				reap();
				EXPECT(t.seqnum, 0, LENGTH_ALL);
			}
			stop();
		}
	}
}

static void iso_malformed(void)
{
	static const struct {
		uint32_t packets, length;
		struct urb_packet packet[2];
	} bad[] = {
		{ URB_PACKETS_MAX + 1, 0, { { 0 } } },
		{ UINT32_MAX, 0, { { 0 } } },
		{ 1, 99, { { .length = 100 } } },
		{ 1, 100, { { .length = 100, .offset = 1 } } },
		{ 1, 100, { { .length = 1, .offset = UINT32_MAX } } },
		{ 1, 100, { { .length = UINT32_MAX, .offset = 2 } } },
		{ 2, 100, { { .length = 51 }, { .length = 50 } } },
	};
	uint8_t bytes[URB_PACKET_SIZE];

	for (size_t i = 0; i < LENGTH(bad); i++) {
		struct urb_command command;

		start_with(use_iso);
		command = request(ISO, true, bad[i].length);
		command.packets = bad[i].packets;
		send_command(&command);
		for (uint32_t n = 0; bad[i].packets < 3 && n < bad[i].packets; n++) {
			urb_packet_encode(bytes, &bad[i].packet[n]);
			send_bytes(bytes, sizeof(bytes));
		}
		run();
		CHECK_INT(t.end, USBFS_BAD_PACKETS);
		CHECK_INT(fake.urbs, 0);
		stop();
	}
}

/* Where there is no memory, later URBs of the same endpoint wait behind, others do not. */
static void waits_for_memory(void)
{
	uint32_t first, second, third;

	start();
	fake.memory = 100000;
	first = submit(BULK, true, 60000);
	second = submit(BULK, true, 60000);
	CHECK_INT(fake.urbs, 1);
	CHECK_INT(usbfs_session_timeout(&t.session), 50);
	third = submit(BULK, true, 10);
	CHECK_INT(fake.urbs, 1);
	submit(BULK, false, 20);
	CHECK_INT(fake.urbs, 2);
	fake_done(1, 0, 20);
	reap();
	EXPECT(third + 1, 0, 20);
	CHECK_INT(fake.urbs, 1);
	done(0, first, 0, 60000);
	reap();
	EXPECT_IN(first, 0, 60000);
	CHECK_INT(fake.urbs, 2);
	CHECK_INT(fake.urb[0].was->buffer_length, 60000);
	done(0, second, 0, 60000);
	done(1, third, 0, 10);
	reap();
	EXPECT_IN(second, 0, 60000);
	EXPECT_IN(third, 0, 10);
	/* unlinked while it waits */
	first = submit(BULK, true, 60000);
	second = submit(BULK, true, 60000);
	unlink_urb(second);
	EXPECT_UNLINK(t.seqnum, -104);
	EXPECT_NONE();
	CHECK(usbfs_session_timeout(&t.session) != 50);
	/* nobody's memory becomes free */
	fake.memory = 60000;
	second = submit(BULK, true, 60000);
	for (int i = 0; i < 39; i++)
		tick();
	EXPECT_NONE();
	CHECK(!t.session.transfers.starved);
	tick();
	EXPECT_IN(second, -ENOMEM, 0);
	CHECK(t.session.transfers.starved);
	done(0, first, 0, 1);
	reap();
	EXPECT_IN(first, 0, 1);
	CHECK_INT(t.end, USBFS_RUNNING);
	stop();
}

/* Each piece is submitted when the one before it has come whole. */
static void cuts(void)
{
	enum { WHOLE = 40000, PIECE = 16384, LAST = WHOLE - 2 * PIECE };
	static const struct {
		uint32_t flags;
		int status, reply;
		unsigned size;
	} early[] = {
		{ 0, -EREMOTEIO, 0, 100 },	 { URB_SHORT_NOT_OK, -EREMOTEIO, -121, 100 },
		{ 0, -EPIPE, -EPIPE, 0 },	 { 0, -EOVERFLOW, -EOVERFLOW, PIECE },
		{ URB_SHORT_NOT_OK, 0, 0, 100 }, { 0, -ECONNRESET, -ECONNRESET, 5 },
	};
	struct urb_command command;
	uint32_t seqnum, other;

	start();
	fake.memory = 30000;
	for (int in = 0; in < 2; in++) {
		seqnum = submit(BULK, in, WHOLE);
		other = submit(BULK, in, 10); /* stays behind it */
		for (unsigned i = 0; i < 3; i++) {
			unsigned size = i < 2 ? PIECE : LAST;

			for (int n = 0; n < 50; n++)
				tick();
			EXPECT_NONE();
			CHECK_INT(fake.urbs, i < 2 ? 1 : 2);
			CHECK_INT(fake.urb[0].was->flags, in && i < 2 ? USBDEVFS_URB_SHORT_NOT_OK : 0);
			CHECK_INT(fake.urb[0].was->buffer_length, size);
			CHECK(usbfs_session_timeout(&t.session) != 50);
			CHECK(in || fake.urb[0].data[0] == pattern(seqnum, (size_t)i * PIECE));
			for (size_t n = 0; in && n < size; n++)
				fake.urb[0].data[n] = pattern(seqnum, n + (size_t)i * PIECE);
			fake_done(0, 0, size);
			reap();
		}
		expect_line(__LINE__, in, URB_RET_SUBMIT, seqnum, 0, WHOLE);
		done(0, other, 0, 10);
		reap();
		expect_line(__LINE__, in, URB_RET_SUBMIT, other, 0, 10);
	}
	/* the last piece may be short */
	seqnum = submit(BULK, true, PIECE + 16000);
	done(0, seqnum, 0, PIECE);
	reap();
	for (size_t i = 0; i < 5; i++)
		fake.urb[0].data[i] = pattern(seqnum, i + PIECE);
	fake_done(0, 0, 5);
	reap();
	EXPECT_IN(seqnum, 0, PIECE + 5);
	/* a packet without data ends the whole, not each piece */
	command = request(BULK, false, PIECE + 16000);
	command.flags = URB_ZERO_PACKET;
	send_command(&command);
	send_bytes(t.data, command.length);
	run();
	CHECK_INT(fake.urb[0].was->flags, 0);
	fake_done(0, 0, PIECE);
	reap();
	CHECK_INT(fake.urb[0].was->flags, USBDEVFS_URB_ZERO_PACKET);
	fake_done(0, 0, 16007); /* there is no more than was asked for */
	reap();
	EXPECT(t.seqnum, 0, PIECE + 16000);
	/* another one that is short, or fails, is the last one */
	for (size_t i = 0; i < LENGTH(early); i++) {
		command = request(BULK, true, WHOLE);
		command.flags = early[i].flags;
		send_command(&command);
		run();
		done(0, t.seqnum, early[i].status, early[i].size);
		reap();
		CHECK_INT(fake.urbs, 0);
		EXPECT_IN(t.seqnum, early[i].reply, early[i].size);
	}
	/* each waits anew when there is no memory */
	seqnum = submit(BULK, true, WHOLE);
	for (unsigned i = 0; i < 2; i++) {
		for (size_t n = 0; n < PIECE; n++)
			fake.urb[0].data[n] = pattern(seqnum, n + (size_t)i * PIECE);
		fake.fail_number = _IOC_NR(USBDEVFS_SUBMITURB);
		fake.fail_error = -ENOMEM;
		fake.fail_times = 100;
		fake_done(0, 0, PIECE);
		reap();
		for (int n = 0; n < 39; n++)
			tick();
		EXPECT_NONE();
		fake.fail_times = 0;
		tick();
		CHECK_INT(fake.urbs, 1);
	}
	/* unlinked after two pieces */
	unlink_urb(seqnum);
	reap();
	CHECK_INT(fake.urbs, 0);
	EXPECT_IN(seqnum, -ECONNRESET, 2 * PIECE);
	EXPECT_UNLINK(t.seqnum, -104);
	/* while others are in flight it waits for them, but not for ever */
	for (int patient = 0; patient < 2; patient++) {
		fake.memory = 100000;
		submit(BULK, false, 60000);
		seqnum = submit(BULK, true, 60000);
		for (int i = 0; i < 39 + !patient; i++)
			tick();
		CHECK_INT(fake.urbs, 1 + !patient);
		fake_done(0, 0, 60000);
		reap();
		EXPECT(seqnum - 1, 0, 60000);
		CHECK_INT(fake.urb[0].was->buffer_length, patient ? 60000 : PIECE);
		fake_kill(-1);
		reap();
		EXPECT_IN(seqnum, -108, 0);
	}
	/* only bulk can be */
	fake.memory = 60000;
	seqnum = submit(INTERRUPT, true, 70000);
	for (int i = 0; i < 40; i++)
		tick();
	EXPECT_IN(seqnum, -ENOMEM, 0);
	stop();
}

static void use_maps(void)
{
	t.device.maps_are_cheap = true;
}

static void maps(void)
{
	uint32_t seqnum[20];
	unsigned submits;

	start_with(use_maps);
	submit(BULK, true, 4000);
	CHECK_INT(fake.maps, 1);
	submit(INTERRUPT, true, 1000);
	CHECK_INT(fake.maps, 1);
	fake_kill(-1);
	reap();
	while (receive(true))
		;
	for (int i = 0; i < 20; i++)
		seqnum[i] = submit(BULK, i & 1, 200000);
	CHECK(fake.maps < 8 && fake.maps > 2);
	for (int i = 0; i < 20; i++)
		done((unsigned)i, seqnum[i], 0, 200000);
	reap();
	for (int i = 0; i < 20; i++)
		expect_line(__LINE__, i & 1, URB_RET_SUBMIT, seqnum[i], 0, 200000);
	/* the memory of the machine has come to an end: maps that are idle are given back */
	CHECK(fake.maps > 2);
	fake.memory = fake.used + 1000;
	submits = calls(USBDEVFS_SUBMITURB);
	seqnum[0] = submit(INTERRUPT, true, 16000);
	CHECK_INT(fake.urbs, 1);
	CHECK_INT(calls(USBDEVFS_SUBMITURB) - submits, 2); /* all at once */
	CHECK_INT(fake.maps, 0);
	done(0, seqnum[0], 0, 16000);
	reap();
	EXPECT_IN(seqnum[0], 0, 16000);
	fake.memory = 0;
	seqnum[0] = submit(BULK, true, 200000);
	CHECK_INT(fake.urbs, 1);
	CHECK_INT(fake.maps, 0);
	stop();
	/* no more than there may be in flight, which may change */
	start_with(use_maps);
	t.device.memory = 100000;
	submit(BULK, true, 60000);
	CHECK_INT(fake.maps, 1);
	submit(INTERRUPT, true, 40000);
	CHECK_INT(fake.urbs, 2);
	CHECK_INT(fake.maps, 1);
	t.device.memory = 200000;
	submit(BULK, true, 60000);
	CHECK_INT(fake.urbs, 3);
	CHECK_INT(fake.maps, 2);
	stop();
	/* 1 MiB beside the largest that can be one */
	start_with(use_maps);
	t.device.memory = 32 * BIG;
	submit(BULK, true, 5 * BIG);
	CHECK_INT(fake.maps, 0);
	for (int i = 0; i < 4; i++)
		submit(BULK, true, BIG / 2);
	CHECK_INT(fake.maps, 3);
	stop();
	start_with(use_maps);
	submit(BULK, true, BIG / 2);
	submit(BULK, true, BIG / 2);
	for (int i = 0; i < 3; i++)
		submit(BULK, true, 8192);
	CHECK_INT(fake.maps, 5);
	stop();
}

/* Those of 512 bytes and less are parts of one map, as far as it goes. */
static void small_maps(void)
{
	enum { NUMBER = 70 };
	uint32_t seqnum[NUMBER];

	start_with(use_maps);
	for (int turn = 0; turn < 3; turn++) {
		for (int i = 0; i < NUMBER; i++)
			seqnum[i] = submit(BULK, true, 512);
		CHECK_INT(fake.urbs, NUMBER);
		CHECK_INT(fake.maps, 1);
		for (unsigned i = 0; i < NUMBER; i++)
			done(i, seqnum[i], 0, 512);
		reap();
		for (int i = 0; i < NUMBER; i++)
			EXPECT_IN(seqnum[i], 0, 512);
		CHECK_INT(fake.maps_made, turn < 2 ? 1 : 2);
		for (int i = 0; i < 2 * turn; i++) /* for a long time nothing happens */
			tick();
		CHECK_INT(fake.maps, !turn);
	}
	/* the map stays as long as there is one */
	submit(BULK, true, 13);
	tick();
	tick();
	CHECK_INT(fake.maps, 1);
	stop();
}

/* One that completes at once. */
static void transfer(uint32_t length)
{
	uint32_t seqnum = submit(BULK, true, length);

	done(fake.urbs - 1, seqnum, 0, length);
	reap();
	EXPECT_IN(seqnum, 0, length);
}

/* As a disk is read: no memory is made anew in the long run. */
static void reuse(void)
{
	static const uint32_t lengths[] = { 122880, 13, 31, 327680, 4096, 770048, 65536, 512 };
	unsigned made = 0;

	start_with(use_maps);
	for (unsigned turn = 0; turn < 20; turn++) {
		for (size_t i = 0; i < LENGTH(lengths); i++)
			transfer(lengths[i]);
		CHECK(t.session.transfers.idle <= 2 * BIG);
		made = made ? made : fake.maps_made;
		if (turn % 4 == 3) /* some time passes */
			tick();
	}
	CHECK_INT(fake.maps_made, made);
	CHECK(made <= LENGTH(lengths) - 3);
	stop();
	/* a buffer may be up to 8 times as large as it has to be */
	start_with(use_maps);
	transfer(BIG);
	transfer(BIG / 2);
	transfer(BIG / 8);
	CHECK_INT(fake.maps, 1);
	transfer(BIG / 16);
	CHECK_INT(fake.maps, 2);
	transfer(1000);
	CHECK_INT(fake.maps, 2);
	CHECK(t.session.transfers.idle > BIG + BIG / 16);
	/* what is not used for a while is given back, and the rest stays */
	tick();
	transfer(BIG / 16);
	tick();
	CHECK_INT(fake.maps, 1);
	CHECK_INT(t.session.transfers.idle, BIG / 16);
	stop();
}

static void idle(void)
{
	uint32_t seqnum;

	start_with(use_maps);
	CHECK_INT(usbfs_session_timeout(&t.session), -1);
	seqnum = submit(BULK, true, 200000);
	CHECK_INT(usbfs_session_timeout(&t.session), -1);
	done(0, seqnum, 0, 1);
	reap();
	EXPECT_IN(seqnum, 0, 1);
	submit(INTERRUPT, true, 1000);
	CHECK_INT(fake.maps, 1);
	CHECK(usbfs_session_timeout(&t.session) > 1000);
	tick();
	CHECK_INT(fake.maps, 1);
	tick();
	CHECK_INT(fake.maps, 0);
	CHECK_INT(t.session.transfers.idle, 0);
	CHECK_INT(usbfs_session_timeout(&t.session), -1);
	/* what is used again is not idle */
	seqnum = submit(BULK, true, 200000);
	done(1, seqnum, 0, 1);
	reap();
	EXPECT_IN(seqnum, 0, 1);
	CHECK(t.session.transfers.idle >= 200000);
	seqnum = submit(BULK, true, 200000);
	CHECK_INT(t.session.transfers.idle, 0);
	done(1, seqnum, 0, 1);
	reap();
	EXPECT_IN(seqnum, 0, 1);
	/* what was given back can be had again, however often */
	for (int i = 0; i < 10; i++) {
		tick();
		tick();
		CHECK_INT(fake.maps, 0);
		seqnum = submit(BULK, true, 200000);
		CHECK_INT(fake.maps, 1);
		done(1, seqnum, 0, 1);
		reap();
		EXPECT_IN(seqnum, 0, 1);
	}
	/* a slot with the reply to an unlink is not the URB that it was */
	tick();
	tick();
	CHECK_INT(transfers_reply_unlink(&t.session.transfers, 7), 0);
	CHECK(!transfers_find(&t.session.transfers, seqnum));
	reap();
	EXPECT_UNLINK(7, 0);
	/* more than there may be idle */
	for (int i = 0; i < 40; i++)
		submit(BULK, true, 100000);
	fake_kill(-1);
	reap();
	while (receive(true))
		;
	CHECK(t.session.transfers.idle <= 2 * BIG);
	CHECK_INT(t.session.transfers.bytes, 0);
	CHECK_INT(t.session.transfers.taken, 0);
	stop();
}

/* Small buffers share memory, plain as mapped: 32 of them, and only what else there is has its own
 * pages. */
static void small_buffers(void)
{
	uint32_t seqnum;

	start();
	for (int i = 0; i < 32; i++)
		submit(INTERRUPT, true, 8);
	CHECK_INT(fake.plains, 1);
	submit(INTERRUPT, true, 8);
	CHECK_INT(fake.plains, 2);
	submit(INTERRUPT, true, 1000);
	CHECK_INT(fake.plains, 3);
	CHECK_INT(t.session.transfers.bytes, 32 * 512 + 2 * 4096);
	fake_kill(-1);
	reap();
	while (receive(true))
		;
	CHECK_INT(fake.plains, 3);
	submit(INTERRUPT, true, 3000); /* has one of those pages */
	CHECK_INT(fake.plains, 3);
	seqnum = submit(INTERRUPT, true, 8);
	tick();
	tick();
	CHECK_INT(fake.plains, 2);
	done(1, seqnum, 0, 8);
	reap();
	EXPECT_IN(seqnum, 0, 8);
	seqnum = submit(INTERRUPT, true, 8);
	submit(INTERRUPT, true, 8);
	done(1, seqnum, 0, 8);
	reap();
	EXPECT_IN(seqnum, 0, 8);
	tick();
	tick();
	CHECK_INT(fake.plains, 2); /* the other one is still in it */
	fake_kill(-1);
	reap();
	tick();
	tick();
	CHECK_INT(fake.plains, 0);
	stop();
}

/* Then the next URB has the slot of another one, whose buffer is too small. */
static void every_slot_has_a_buffer(void)
{
	uint32_t seqnum;

	start();
	t.device.memory = 2 * USBFS_MEMORY;
	for (unsigned i = 0; i < TRANSFERS_MAX; i++)
		submit(INTERRUPT, true, 8);
	for (uint32_t i = 0; i < TRANSFER_REPLIES; i++)
		CHECK_INT(transfers_reply_unlink(&t.session.transfers, i), 0);
	CHECK_INT(transfers_reply_unlink(&t.session.transfers, 99), -EAGAIN);
	for (unsigned i = 0; i < TRANSFER_REPLIES; i++)
		fake_done(i, -ENOENT, 0);
	reap();
	while (receive(true))
		;
	for (unsigned i = 0; i < TRANSFER_REPLIES; i++)
		submit(BULK, true, 16000);
	fake_kill(0x80 | BULK);
	reap();
	while (receive(true))
		;
	CHECK(!t.session.transfers.bare);
	seqnum = submit(BULK, true, 100000);
	CHECK_INT(fake.urbs, TRANSFERS_MAX - TRANSFER_REPLIES + 1);
	done(fake.urbs - 1, seqnum, 0, 100000);
	reap();
	EXPECT_IN(seqnum, 0, 100000);
	fake_kill(-1);
	reap();
	while (receive(true))
		;
	CHECK_INT(t.session.transfers.bytes, 0);
	tick();
	tick();
	CHECK_INT(t.session.transfers.idle, 0);
	stop();
}

/* Packets without data are not kept, whatever else is: as many as there may be are given back. */
static void idle_packets(void)
{
	start(); /* the endpoint is not there, so that each is refused at once */
	setsockopt(t.session.socket, SOL_SOCKET, SO_SNDBUF, &(int){ 1 }, sizeof(int));
	CONTROL_IN(18, 0x80, 6, 0, 1, 0, 0, 18, 0);
	done(0, t.seqnum, 0, 18);
	reap();
	for (int i = 0; i < 60; i++)
		submit_packets(true, URB_PACKETS_MAX, 100);
	CHECK(t.session.transfers.taken > 50);
	CHECK(t.session.transfers.bytes > BIG);
	while (t.session.transfers.taken && recv(t.client, t.data, BIG, MSG_DONTWAIT) > 0)
		run();
	CHECK_INT(t.session.transfers.taken, 0);
	CHECK_INT(t.session.transfers.idle, 512);
	stop();
}

static void small_ones_pass(void)
{
	static const uint8_t start_now[8] = { 0x40, 1, 0, 0, 0, 0, 0, 0 };
	static const uint8_t much[8] = { 0xc0, 1, 0, 0, 0, 0, 0xff, 0xff };
	uint32_t first, small;

	start();
	t.device.memory = 100000;
	first = submit(BULK, true, 60000);
	submit(BULK, true, 60000);
	submit(BULK, true, 60000);
	CHECK_INT(fake.urbs, 2);
	small = control(start_now, false, 0);
	submit(BULK, false, 4096);
	CHECK(!t.session.blocked);
	CHECK_INT(fake.urbs, 4);
	control(much, true, 0); /* its buffer would be large: it waits */
	CHECK_INT(fake.urbs, 4);
	fake_done(2, 0, 0);
	reap();
	EXPECT(small, 0, 0);
	done(0, first, 0, 60000);
	reap();
	fake_kill(-1);
	reap();
	while (receive(true))
		;
	stop();
}

/* The session waits for that read, and then goes on. */
static void has_room_behind(uint32_t first)
{
	CHECK(t.session.blocked);
	done(0, first, 0, 5);
	reap();
	EXPECT_IN(first, 0, 5);
	CHECK(!t.session.blocked);
	fake_kill(-1);
	reap();
}

/* Reads beyond what may be in flight wait in line; writes stop the reading of requests. */
static void bounded_memory(void)
{
	uint32_t first, last;

	start();
	t.device.memory = 100000;
	first = submit(BULK, true, 60000);
	submit(BULK, true, 60000);
	last = submit(BULK, true, 60000);
	CHECK_INT(fake.urbs, 2);
	CHECK_INT(t.session.events, EPOLLIN);
	submit(BULK, false, 4097);
	CHECK(t.session.blocked);
	CHECK_INT(t.session.events, EPOLLRDHUP);
	CHECK_INT(fake.urbs, 2);
	for (int i = 0; i < 100; i++)
		tick(); /* that is nobody's fault */
	CHECK_INT(usbfs_session_timeout(&t.session), -1);
	EXPECT_NONE();
	done(0, first, 0, 60000);
	reap();
	EXPECT_IN(first, 0, 60000);
	CHECK_INT(fake.urbs, 2);
	done(0, first + 1, 0, 60000);
	done(1, last, 0, 60000);
	reap();
	EXPECT_IN(first + 1, 0, 60000);
	EXPECT_IN(last, 0, 60000);
	CHECK(!t.session.blocked);
	CHECK_INT(t.session.events, EPOLLIN);
	CHECK_INT(fake.urbs, 1);
	fake_done(0, 0, 4097);
	reap();
	EXPECT(last + 1, 0, 4097);
	/* packets are memory, too */
	usbfs_endpoints_set(t.device.descriptors, t.device.len, &t.device.endpoints, 2, 1);
	first = submit(BULK, true, 100000);
	submit_packets(true, 1, 100);
	has_room_behind(first);
	CHECK(receive(true));
	{
		struct urb_command command = request(BULK, true, 100000);

		command.packets = UINT32_MAX;
		send_command(&command);
		run();
		command.seqnum = ++t.seqnum;
		send_command(&command);
		run();
		CHECK(!t.session.blocked);
		CHECK_INT(fake.urbs, 1);
		done(0, t.seqnum - 1, 0, 5);
		reap();
		EXPECT_IN(t.seqnum - 1, 0, 5);
		done(0, t.seqnum, 0, 5);
		reap();
		EXPECT_IN(t.seqnum, 0, 5);
	}
	/* one may always be as large as it likes */
	first = submit(BULK, false, 2 * BIG);
	CHECK_INT(fake.urbs, 1);
	fake_done(0, 0, 2 * BIG);
	reap();
	EXPECT(first, 0, 2 * BIG);
	/* all that there is */
	t.device.memory = 65536;
	for (int packets = 0; packets < 2; packets++) {
		first = submit(BULK, true, 65536);
		CHECK_INT(t.session.transfers.bytes, t.device.memory);
		last = packets ? submit_packets(true, 1, 100) : submit(BULK, false, 4097);
		has_room_behind(first);
		CHECK(receive(true) && t.reply.seqnum == last);
	}
	stop();
}

static void bounded_urbs(void)
{
	uint32_t first = 0, unlink;

	start();
	for (unsigned i = 0; i < TRANSFERS_MAX; i++)
		first = submit(INTERRUPT, true, 8);
	first -= TRANSFERS_MAX - 1;
	CHECK_INT(fake.urbs, TRANSFERS_MAX);
	CHECK_INT(t.counters.in_flight, TRANSFERS_MAX);
	unlink = unlink_urb(5); /* replies to unlinks have room of their own */
	EXPECT_UNLINK(unlink, 0);
	CHECK(!t.session.blocked);
	submit(INTERRUPT, true, 8);
	CHECK(t.session.blocked);
	CHECK_INT(fake.urbs, TRANSFERS_MAX);
	done(7, first + 7, 0, 8);
	reap();
	EXPECT_IN(first + 7, 0, 8);
	CHECK(!t.session.blocked);
	CHECK_INT(fake.urbs, TRANSFERS_MAX);
	/* the client goes while its requests are not read */
	submit(INTERRUPT, true, 8);
	CHECK(t.session.blocked);
	CHECK_INT(t.end, USBFS_RUNNING);
	shutdown(t.client, SHUT_WR);
	run();
	CHECK_INT(t.end, USBFS_CLOSED);
	stop();
}

/* A client that does not read. */
static void unread(void)
{
	uint32_t first = t.seqnum, seqnum = 0;
	int sent = 0;

	start();
	first = t.seqnum + 1;
	while (!(t.session.events & EPOLLOUT) && sent < 1000) {
		seqnum = submit(BULK, true, 100000);
		done(0, seqnum, 0, 100000);
		reap();
		sent++;
	}
	CHECK(t.session.events & EPOLLOUT);
	CHECK_INT(t.end, USBFS_RUNNING);
	/* it is complete, but its reply was not sent: the unlink's comes behind */
	unlink_urb(seqnum);
	submit(BULK, true, 10);
	CHECK_INT(fake.urbs, 1);
	for (uint32_t i = first; i <= seqnum; i++) {
		EXPECT_IN(i, 0, 100000);
		run();
	}
	EXPECT_UNLINK(seqnum + 1, 0);
	CHECK_INT(t.session.events, EPOLLIN);
	/* and for ever: no more than there may be */
	for (unsigned i = 0; i < 3 * TRANSFERS_MAX && !t.session.blocked; i++) {
		submit(BULK, true, 50000);
		for (unsigned n = 0; n < fake.urbs; n++)
			fake_done(n, 0, (unsigned)fake.urb[n].size);
		reap();
	}
	CHECK(t.session.blocked);
	CHECK_INT(t.session.events, EPOLLRDHUP | EPOLLOUT);
	CHECK_INT(t.session.transfers.taken, TRANSFERS_MAX);
	stop();
}

/* By a signal. */
static void interrupted(void)
{
	uint32_t seqnum;

	start();
	t.interrupts = 3;
	seqnum = submit(BULK, true, 10);
	CHECK_INT(t.interrupts, 0);
	CHECK_INT(fake.urbs, 1);
	t.interrupts = 1;
	done(0, seqnum, 0, 10);
	reap();
	CHECK_INT(t.interrupts, 0);
	EXPECT_IN(seqnum, 0, 10);
	CHECK_INT(t.session.events, EPOLLIN);
	CHECK_INT(t.end, USBFS_RUNNING);
	stop();
}

static void flood_of_unlinks(void)
{
	unsigned i = 0;

	start();
	submit(BULK, true, 10);
	while (i++ < 100000 && !t.session.blocked) {
		struct urb_command command = { .code = URB_CMD_UNLINK,
					       .devid = DEVID,
					       .seqnum = ++t.seqnum,
					       .victim = 1 };
		uint8_t bytes[URB_SIZE];

		urb_command_encode(bytes, &command);
		if (send(t.client, bytes, sizeof(bytes), MSG_DONTWAIT) != URB_SIZE)
			break;
		run();
	}
	CHECK(t.session.blocked);
	CHECK_INT(t.session.transfers.taken, TRANSFERS_MAX + TRANSFER_REPLIES);
	for (i = 102; receive(false); i++) {
		CHECK_INT(t.reply.seqnum, i);
		run();
	}
	CHECK_INT(i, t.seqnum + 1);
	CHECK(!t.session.blocked);
	stop();
}

static void malformed(void)
{
	struct urb_command command;
	static const struct {
		enum usbfs_end end;
		size_t at;
		uint8_t byte;
	} bad[] = {
		{ USBFS_BAD_REQUEST, 3, 3 },  { USBFS_BAD_REQUEST, 3, 0 },
		{ USBFS_BAD_REQUEST, 0, 1 },  { USBFS_BAD_DEVID, 8, 1 },
		{ USBFS_BAD_DEVID, 11, 3 },   { USBFS_BAD_REQUEST, 15, 2 },
		{ USBFS_BAD_REQUEST, 19, 16 }, { USBFS_BAD_REQUEST, 16, 1 },
		{ USBFS_BAD_REQUEST, 24, 0x80 }, { USBFS_BAD_REQUEST, 24, 0x02 },
		{ USBFS_RUNNING, 30, 1 },	 { USBFS_RUNNING, 20, 0xff },
	};
	uint8_t bytes[URB_SIZE];

	for (size_t i = 0; i < LENGTH(bad); i++) {
		start();
		command = request(BULK, true, 100);
		urb_command_encode(bytes, &command);
		bytes[bad[i].at] = bad[i].byte;
		send_bytes(bytes, sizeof(bytes));
		run();
		CHECK_INT(t.end, bad[i].end);
		CHECK(usbfs_end_text(t.end)[0]);
		CHECK_INT(fake.urbs, bad[i].end == USBFS_RUNNING);
		stop();
	}
	for (int twice = 0; twice < 3; twice++) {
		start();
		submit(BULK, true, 100);
		submit(BULK, true, 100);
		if (twice == 2) { /* replied to is not twice */
			fake_kill(-1);
			reap();
		}
		t.seqnum -= twice == 1 ? 1 : 2;
		submit(BULK, true, 100);
		CHECK_INT(t.end, twice == 2 ? USBFS_RUNNING : USBFS_BAD_SEQNUM);
		stop();
	}
	start();
	command = request(0, true, USBFS_LENGTH_MAX);
	send_command(&command);
	run();
	CHECK_INT(t.end, USBFS_RUNNING);
	CHECK_INT(fake.urb[0].was->buffer_length, USBFS_BUFFER_MAX);
	stop();
	start();
	command = request(BULK, true, USBFS_LENGTH_MAX + 1);
	send_command(&command);
	run();
	CHECK_INT(t.end, USBFS_BAD_REQUEST);
	stop();
}

static void closes(void)
{
	for (int how = 0; how < 5; how++) {
		start();
		submit(BULK, true, 100);
		if (how == 1) {
			send_bytes("\0\0\0", 3);
		} else if (how == 2) {
			struct urb_command command = request(BULK, false, 100);

			send_command(&command);
		}
		run();
		if (how < 3) {
			shutdown(t.client, SHUT_WR);
			run();
			CHECK_INT(t.end, how ? USBFS_CUT : USBFS_CLOSED);
		} else if (how == 3) {
			shutdown(t.client, SHUT_RDWR);
			fake_done(0, 0, 0);
			t.end = usbfs_session_ready(&t.session, t.device.fd, EPOLLOUT);
			CHECK_INT(t.end, USBFS_CONNECTION);
			CHECK_INT(t.session.error, EPIPE);
		} else {
			t.end = usbfs_session_ready(&t.session, t.device.fd, EPOLLHUP | EPOLLERR);
			CHECK_INT(t.end, USBFS_DEVICE_GONE);
		}
		stop();
		CHECK_STR(fake.log,
			  how == 4 ? "" : "reset 0, release 0, release 2, claim 0, claim 2");
	}
}

/* Each of these events alone, whatever else is to be done. */
static void events(void)
{
	static const uint32_t ends[] = { EPOLLHUP, EPOLLERR, EPOLLRDHUP };

	for (size_t i = 0; i < LENGTH(ends); i++) {
		for (int blocked = ends[i] == EPOLLRDHUP; blocked < 2; blocked++) {
			start();
			t.device.memory = 1000;
			submit(BULK, true, 1000);
			if (blocked)
				submit(BULK, false, 5000);
			CHECK_INT(t.session.blocked, blocked);
			shutdown(t.client, SHUT_WR);
			t.end = usbfs_session_ready(&t.session, t.session.socket, ends[i]);
			CHECK_INT(t.end, USBFS_CLOSED);
			stop();
		}
		start();
		t.end = usbfs_session_ready(&t.session, t.device.fd, ends[i]);
		CHECK_INT(t.end, ends[i] == EPOLLRDHUP ? USBFS_RUNNING : USBFS_DEVICE_GONE);
		stop();
	}
	/* the client has gone, and several parts are to be sent */
	start();
	submit(BULK, true, 100);
	close(t.client);
	t.client = -1;
	fake_done(0, 0, 100);
	reap();
	CHECK_INT(t.end, USBFS_CONNECTION);
	stop();
	/* the first reason counts */
	start();
	fake.fail_number = _IOC_NR(USBDEVFS_SUBMITURB);
	fake.fail_times = 1;
	fake.fail_error = -ENODEV;
	{
		struct urb_command command = request(BULK, true, 10);
		uint8_t bytes[2 * URB_SIZE] = { 0 };

		urb_command_encode(bytes, &command);
		send_bytes(bytes, sizeof(bytes)); /* nothing has the code 0 */
		run();
	}
	CHECK(t.session.transfers.gone);
	CHECK_INT(t.end, USBFS_BAD_REQUEST);
	stop();
}

static void not_watched(void)
{
	char byte;

	for (unsigned which = 1; which < 3; which++) {
		t.fail_watch = which;
		CHECK_INT(begin_with(NULL), -ENOSPC);
		CHECK_INT(t.session.socket, -1);
		CHECK(!t.device.used);
		CHECK_INT(recv(t.client, &byte, 1, MSG_DONTWAIT), 0);
		close(t.device.fd);
		close(t.epoll);
		close(t.client);
	}
	start();
	t.device.memory = 1000;
	submit(BULK, true, 1000);
	t.fail_watch = 1;
	submit(BULK, false, 5000);
	CHECK_INT(t.end, USBFS_CONNECTION);
	CHECK_INT(t.session.error, ENOSPC);
	t.fail_watch = 0;
	stop();
}

static void no_memory(void)
{
	uint32_t seqnum;

	start();
	fake.no_memory = true;
	seqnum = submit(BULK, true, 300000);
	CHECK_INT(fake.urbs, 0);
	tick();
	fake.no_memory = false;
	tick();
	CHECK_INT(fake.urbs, 1);
	done(0, seqnum, 0, 10);
	reap();
	EXPECT_IN(seqnum, 0, 10);
	fake.no_memory = true;
	seqnum = submit(BULK, true, 5 * BIG);
	for (int i = 0; i < 40; i++)
		tick();
	EXPECT_IN(seqnum, -ENOMEM, 0);
	CHECK_INT(t.session.transfers.bytes, 0);
	submit(BULK, false, 2 * 300000);
	fake.no_memory = false;
	CHECK_INT(t.end, USBFS_NO_MEMORY);
	stop();
}

/* A bit of everything, until the session ends. */
static void use_everything(void)
{
	uint32_t seqnum = 0;

	for (int turn = 0; turn < 2 && !t.end; turn++) {
		CONTROL(0, 0, 9, 1, 0, 0, 0, 0, 0);
		if (!t.end)
			CONTROL(0, 1, 11, 1, 0, 2, 0, 0, 0);
		if (!t.end)
			CONTROL(0, 2, 1, 0, 0, 0x81, 0, 0, 0);
		if (!t.end)
			CONTROL_IN(18, 0x80, 6, 0, 1, 0, 0, 18, 0);
		if (!t.end)
			seqnum = submit(BULK, true, 5000);
		if (!t.end)
			submit_packets(false, 200, 100);
		if (!t.end)
			unlink_urb(seqnum);
		for (unsigned i = 0; i < fake.urbs; i++)
			if (!fake.urb[i].done)
				fake_done(i, 0, 5);
		if (!t.end)
			reap();
		if (!t.end)
			CONTROL(0, 0x23, 3, 4, 0, 1, 0, 0, 0);
	}
}

/* At each system call in turn the device is pulled out. */
static void gone(void)
{
	static const unsigned long requests[] = {
		USBDEVFS_SUBMITURB,    USBDEVFS_REAPURBNDELAY, USBDEVFS_SETCONFIGURATION,
		USBDEVFS_SETINTERFACE, USBDEVFS_CLEAR_HALT,    USBDEVFS_RESET,
		USBDEVFS_DISCONNECT_CLAIM,
	};
	uint8_t rest[65536];
	unsigned ended = 0;

	for (size_t i = 0; i < LENGTH(requests); i++) {
		for (unsigned after = 0; after < 20; after++) {
			start_with(use_maps);
			fake.fail_number = _IOC_NR(requests[i]);
			fake.fail_after = after;
			fake.fail_times = 1000;
			fake.fail_error = -ENODEV;
			use_everything();
			ended += t.end == USBFS_DEVICE_GONE;
			CHECK(t.end == USBFS_DEVICE_GONE || fake.fail_times == 1000);
			fake.fail_times = 0;
			while (recv(t.client, rest, sizeof(rest), MSG_DONTWAIT) > 0)
				;
			fake.gone = t.end == USBFS_DEVICE_GONE;
			fake_kill(-1);
			stop();
		}
	}
	CHECK(ended > 30);
	/* or its host controller */
	start();
	fake.fail_number = _IOC_NR(USBDEVFS_SUBMITURB);
	fake.fail_times = 1;
	fake.fail_error = -ESHUTDOWN;
	submit(BULK, true, 10);
	CHECK_INT(t.end, USBFS_DEVICE_GONE);
	stop();
}

/* The end: all is killed and given back, whatever state it was in. */
static void ends(void)
{
	struct epoll_event event = { 0 };
	uint32_t length;
	int other;

	start_with(use_maps);
	use_iso();
	submit(BULK, true, 100000);
	submit_packets(true, 200, 100);
	fake.memory = fake.used + 10;
	submit(INTERRUPT, true, 2000); /* waits */
	fake_done(0, 0, 100);
	length = 7000;
	send_command(&(struct urb_command){ .code = URB_CMD_SUBMIT,
					    .devid = DEVID,
					    .seqnum = ++t.seqnum,
					    .endpoint = BULK,
					    .length = length });
	send_bytes(t.data, 6000);
	run();
	CHECK_INT(t.end, USBFS_RUNNING);
	other = dup(t.session.socket); /* as the server has it */
	CHECK_INT(usbfs_session_end(&t.session), 0);
	CHECK_INT(t.session.socket, -1);
	CHECK_INT(shutdown(other, SHUT_RDWR), 0);
	CHECK_INT(epoll_wait(t.epoll, &event, 1, 0), 0);
	CHECK_INT(epoll_ctl(t.epoll, EPOLL_CTL_ADD, t.device.fd, &event), 0); /* again */
	close(other);
	CHECK_INT(fake.urbs, 0);
	CHECK_INT(fake.maps, 0);
	CHECK_STR(fake.log, "reset 0, release 0, release 2, claim 0, claim 2");
	CHECK(!t.device.used);
	CHECK_INT(read(t.client, t.data, 1), 0);
	close(t.device.fd);
	close(t.epoll);
	close(t.client);
	start();
	CHECK(t.device.used);
	fake.fail_number = _IOC_NR(USBDEVFS_RESET);
	fake.fail_times = 1;
	fake.fail_error = -EINVAL;
	CHECK_INT(usbfs_session_end(&t.session), -ENODEV);
	CHECK_INT(recv(t.client, t.data, 1, MSG_DONTWAIT), 0); /* nobody else has the socket */
	close(t.device.fd);
	close(t.epoll);
	close(t.client);
}

int main(void)
{
	RUN("data of every length, both ways", data_both_ways);
	RUN("requests in pieces of any size", in_pieces);
	RUN("every order of completion", every_order);
	RUN("statuses", statuses);
	RUN("flags of the other direction, and fields without a meaning", flags);
	RUN("control transfers whose lengths and directions differ", control_data);
	RUN("what usbfs refuses is a stall", refused);
	RUN("unlinks", unlinks);
	RUN("unlinks that come before what they unlink", early_unlinks);
	RUN("sequence numbers wrap", wrapping);
	RUN("requests that the kernel must know of", special_requests);
	RUN("what such a request kills, waiting or in flight", kills_what_waits);
	RUN("isochronous reads", iso_in);
	RUN("every order, and an unlink at each moment", every_order_and_unlink);
	RUN("isochronous writes, and more packets than usbfs takes", iso_out);
	RUN("isochronous writes with packets in any order", iso_scattered);
	RUN("malformed packets", iso_malformed);
	RUN("a URB for which there is no memory waits", waits_for_memory);
	RUN("a bulk URB for which there is no memory is cut", cuts);
	RUN("maps", maps);
	RUN("small maps", small_maps);
	RUN("memory is used again", reuse);
	RUN("memory that is idle is given back", idle);
	RUN("small buffers", small_buffers);
	RUN("every slot has a buffer", every_slot_has_a_buffer);
	RUN("memory of packets alone", idle_packets);
	RUN("a small request is not held up by large ones", small_ones_pass);
	RUN("bytes in flight are bounded", bounded_memory);
	RUN("URBs in flight are bounded", bounded_urbs);
	RUN("a client that does not read", unread);
	RUN("a signal comes", interrupted);
	RUN("a flood of unlinks", flood_of_unlinks);
	RUN("malformed requests", malformed);
	RUN("the connection ends", closes);
	RUN("each event that ends it", events);
	RUN("it cannot be watched", not_watched);
	RUN("no memory", no_memory);
	RUN("the device is pulled out at each step", gone);
	RUN("the end of a session", ends);
	return check_status();
}

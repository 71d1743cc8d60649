/* SPDX-License-Identifier: MIT */
/*
 * The sessions of tests/fixtures/sessions, of vhci_hcd with usbip-host, with usbfs/session instead:
 * its client and its device do what they did, and the replies are usbip-host's, byte for byte, but
 * for the frame in which isochronous packets began: usbfs does not tell it.
 * LINK: -Wl,--wrap=usbfs_ioctl,--wrap=usbfs_map,--wrap=usbfs_unmap
 */
#include "usbfs/session.h"

#include "proto/wire.h"
#include "tests/bytes.h"
#include "tests/files.h"
#include "tests/usbfs.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MESSAGES = 500, AT_START_FRAME = 28 };

/* A command, or a reply. */
struct message {
	const uint8_t *p;
	size_t len;
	uint32_t seqnum;
};

static struct {
	struct message command[MESSAGES], reply[MESSAGES];
	unsigned commands, replies;
	struct usbfs_device device;
	struct usbfs_session session;
	struct urb_counters counters;
	int epoll, client;
} t;

static struct urb_command command_of(const struct message *message)
{
	struct urb_command command;

	must(!urb_command_decode(message->p, &command), "decode a command");
	return command;
}

static const struct message *find(const struct message *message, unsigned n, uint32_t seqnum)
{
	for (unsigned i = 0; i < n; i++)
		if (message[i].seqnum == seqnum)
			return &message[i];
	return NULL;
}

static void split_commands(const uint8_t *p, size_t len)
{
	for (t.commands = 0; len && t.commands < MESSAGES; t.commands++) {
		struct message *message = &t.command[t.commands];
		struct urb_command command;

		message->p = p;
		command = command_of(message);
		message->seqnum = command.seqnum;
		message->len = URB_SIZE + command.packets * (size_t)URB_PACKET_SIZE;
		if (command.code == URB_CMD_SUBMIT && !command.in)
			message->len += command.length;
		p += message->len;
		len -= message->len;
	}
}

static void split_replies(const uint8_t *p, size_t len)
{
	for (t.replies = 0; len && t.replies < MESSAGES; t.replies++) {
		struct message *message = &t.reply[t.replies];
		const struct message *asked;
		struct urb_reply reply;

		must(!urb_reply_decode(p, &reply), "decode a reply");
		asked = find(t.command, t.commands, reply.seqnum);
		must(asked, "find the command of a reply");
		message->p = p;
		message->seqnum = reply.seqnum;
		message->len = URB_SIZE + reply.packets * (size_t)URB_PACKET_SIZE;
		if (reply.code == URB_RET_SUBMIT && command_of(asked).in)
			message->len += reply.length;
		p += message->len;
		len -= message->len;
	}
}

/* The descriptors that the client read: the longest of the device, and of its configuration. */
static void find_descriptors(void)
{
	const struct message *longest[] = { NULL, NULL };

	for (unsigned i = 0; i < t.replies; i++) {
		const struct message *asked = find(t.command, t.commands, t.reply[i].seqnum);
		struct urb_command command = command_of(asked);
		unsigned type = command.setup[3] - 1u;

		if (!command.endpoint && command.setup[0] == 0x80 && command.setup[1] == 6 &&
		    type < 2 && (!longest[type] || longest[type]->len < t.reply[i].len))
			longest[type] = &t.reply[i];
	}
	must(longest[0] && longest[1], "find the descriptors");
	t.device.len = 0;
	for (unsigned i = 0; i < 2; i++) {
		size_t len = longest[i]->len - URB_SIZE;

		memcpy(t.device.descriptors + t.device.len, longest[i]->p + URB_SIZE, len);
		t.device.len += len;
	}
	must(!usbfs_endpoints_read(t.device.descriptors, t.device.len, 1, &t.device.endpoints),
	     "read the descriptors");
}

static void start(void)
{
	int pair[2];

	fake_reset();
	memset(&t.counters, 0, sizeof(t.counters));
	memset(&t.device, 0, sizeof(t.device));
	t.device.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t.device.memory = USBFS_MEMORY;
	find_descriptors();
	t.epoll = epoll_create1(EPOLL_CLOEXEC);
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "make a connection");
	t.client = pair[1];
	must(!usbfs_session_begin(&t.session, &t.device, pair[0], command_of(t.command).devid,
				  t.epoll, &t.counters),
	     "begin");
}

static void stop(void)
{
	usbfs_session_end(&t.session);
	if (fake.fault)
		check_fault(__FILE__, __LINE__, "%s", fake.fault);
	CHECK_INT(fake.urbs, 0);
	close(t.device.fd);
	close(t.epoll);
	close(t.client);
}

/* The device does with its one URB what the reply says. */
static void complete(struct fake_urb *urb, const struct message *message)
{
	const uint8_t *data = message->p + URB_SIZE, *packets;
	struct urb_reply reply;
	struct urb_packet packet;

	must(!urb_reply_decode(message->p, &reply), "decode a reply");
	packets = message->p + message->len - reply.packets * (size_t)URB_PACKET_SIZE;
	if (fake_reads(urb->was)) {
		size_t at = urb->was->type == USBDEVFS_URB_TYPE_CONTROL ? 8 : 0;

		must(!reply.packets && at + reply.length <= urb->size, "take the data");
		memcpy(urb->data + at, data, reply.length);
	}
	for (uint32_t i = 0; i < reply.packets; i++) {
		urb_packet_decode(packets + (size_t)i * URB_PACKET_SIZE, &packet);
		urb->packet[i].actual_length = packet.actual;
		urb->packet[i].status = (unsigned)urb_status_from_wire(packet.status);
	}
	fake_done(0, urb_status_from_wire(reply.status), reply.length);
}

static void expect_reply(const struct message *message)
{
	static uint8_t bytes[1 << 17], want[1 << 17];
	ssize_t n = recv(t.client, bytes, sizeof(bytes), MSG_DONTWAIT);

	must(message->len <= sizeof(want), "keep a reply");
	memcpy(want, message->p, message->len);
	memset(want + AT_START_FRAME, 0, 4);
	CHECK_INT(n, message->len);
	CHECK_BYTES(bytes, want, message->len);
}

/* A URB without a reply is unlinked later. */
static void play_command(const struct message *message)
{
	const struct message *reply = find(t.reply, t.replies, message->seqnum);

	must(send(t.client, message->p, message->len, MSG_NOSIGNAL) == (ssize_t)message->len,
	     "send");
	CHECK(!usbfs_session_ready(&t.session, t.session.socket, EPOLLIN));
	while (t.session.len || t.session.receiving) /* a part at a time */
		CHECK(!usbfs_session_ready(&t.session, t.session.socket, EPOLLIN));
	if (!reply)
		return;
	if (wire_load_be32(message->p) == URB_CMD_SUBMIT && fake.urbs)
		complete(&fake.urb[0], reply);
	CHECK(!usbfs_session_ready(&t.session, t.device.fd, EPOLLOUT));
	expect_reply(reply);
}

static void replay(const char *path, const char *name)
{
	char other[PATH_MAX];
	size_t len;
	uint8_t *commands = hex_read(path, &len, NULL), *replies;

	check_begin("t_usbfs_replay: %s", name);
	split_commands(commands, len);
	snprintf(other, sizeof(other), "%.*sreplies.hex", (int)(strlen(path) - strlen("commands.hex")),
		 path);
	replies = hex_read(other, &len, NULL);
	split_replies(replies, len);
	start();
	for (unsigned i = 0; i < t.commands && !check.faults; i++)
		play_command(&t.command[i]);
	stop();
	block_free(commands);
	block_free(replies);
	check_end();
}

int main(void)
{
	return each_file(FIXTURES "sessions", "_commands.hex", replay) ? check_status() : 1;
}

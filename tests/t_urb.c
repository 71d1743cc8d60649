/* SPDX-License-Identifier: MIT */
/*
 * Tests of proto/urb: every field where Documentation/usb/usbip_protocol.rst has it, in messages
 * whose bytes are all different; what is refused; the numbers of errors; and every message of the
 * sessions in tests/fixtures/sessions, decoded and encoded to the same bytes.
 */
#include "proto/urb.h"

#include "tests/bytes.h"
#include "tests/files.h"

static uint8_t *put(uint8_t *p, size_t at, uint32_t v)
{
	for (size_t i = 0; i < 4; i++)
		p[at + i] = (uint8_t)(v >> (24 - 8 * i));
	return p;
}

/* Every byte another one, but for the fields of a small range. */
static uint8_t *message(uint32_t code)
{
	uint8_t *p = block(NULL, URB_SIZE);

	for (size_t i = 0; i < URB_SIZE; i++)
		p[i] = (uint8_t)(i + 0x20);
	put(p, 0, code);
	if (code != URB_CMD_SUBMIT)
		return p;
	put(p, 0xc, 1);
	put(p, 0x10, 0xf);
	return p;
}

static void submit(void)
{
	uint8_t *p = message(URB_CMD_SUBMIT), *again = block(NULL, URB_SIZE);
	struct urb_command command;

	memset(&command, 0xa5, sizeof(command));
	CHECK_INT(urb_command_decode(p, &command), 0);
	CHECK_INT(command.code, 1);
	CHECK_INT(command.seqnum, raw(p + 4, 4));
	CHECK_INT(command.devid, raw(p + 8, 4));
	CHECK_INT(command.in, 1);
	CHECK_INT(command.endpoint, 15);
	CHECK_INT(command.flags, raw(p + 0x14, 4));
	CHECK_INT(command.length, raw(p + 0x18, 4));
	CHECK_INT(command.start_frame, raw(p + 0x1c, 4));
	CHECK_INT(command.packets, raw(p + 0x20, 4));
	CHECK_INT(command.interval, raw(p + 0x24, 4));
	CHECK_BYTES(command.setup, p + 0x28, 8);
	CHECK_INT(command.victim, 0);
	urb_command_encode(again, &command);
	CHECK_BYTES(again, p, URB_SIZE);
	put(p, 0xc, 0);
	CHECK_INT(urb_command_decode(p, &command), 0);
	CHECK_INT(command.in, 0);
	urb_command_encode(again, &command);
	CHECK_BYTES(again, p, URB_SIZE);
	block_free(p);
	block_free(again);
}

static void submit_unlink(void)
{
	uint8_t *p = message(URB_CMD_UNLINK), *again = block(NULL, URB_SIZE);
	static const uint8_t zeros[URB_SIZE];
	struct urb_command command, want = { 0 };

	memset(&command, 0xa5, sizeof(command));
	CHECK_INT(urb_command_decode(p, &command), 0);
	want.code = 2;
	want.seqnum = raw(p + 4, 4);
	want.devid = raw(p + 8, 4);
	want.victim = raw(p + 0x14, 4);
	CHECK_INT(command.code, want.code);
	CHECK_INT(command.seqnum, want.seqnum);
	CHECK_INT(command.devid, want.devid);
	CHECK_INT(command.victim, want.victim);
	CHECK_INT(command.in, 0);
	CHECK_INT(command.endpoint, 0);
	CHECK_INT(command.flags, 0);
	CHECK_INT(command.length, 0);
	CHECK_INT(command.start_frame, 0);
	CHECK_INT(command.packets, 0);
	CHECK_INT(command.interval, 0);
	CHECK_BYTES(command.setup, zeros, 8);
	command.flags = command.length = 7; /* do not belong to it, and are not sent */
	urb_command_encode(again, &command);
	CHECK_BYTES(again, p, 0xc);
	CHECK_BYTES(again + 0xc, zeros, 8); /* direction and endpoint */
	CHECK_BYTES(again + 0x14, p + 0x14, 4);
	CHECK_BYTES(again + 0x18, zeros, 0x18);
	block_free(p);
	block_free(again);
}

static void result(void)
{
	uint8_t *p = message(URB_RET_SUBMIT), *again = block(NULL, URB_SIZE);
	static const uint8_t zeros[URB_SIZE];
	struct urb_reply reply;

	memset(&reply, 0xa5, sizeof(reply));
	put(p, 0x14, 0xfffefdfc);
	CHECK_INT(urb_reply_decode(p, &reply), 0);
	CHECK_INT(reply.code, 3);
	CHECK_INT(reply.seqnum, raw(p + 4, 4));
	CHECK_INT(reply.status, -0x10204);
	CHECK_INT(reply.length, raw(p + 0x18, 4));
	CHECK_INT(reply.start_frame, raw(p + 0x1c, 4));
	CHECK_INT(reply.packets, raw(p + 0x20, 4));
	CHECK_INT(reply.errors, raw(p + 0x24, 4));
	urb_reply_encode(again, &reply);
	CHECK_BYTES(again, p, 8);
	CHECK_BYTES(again + 8, zeros, 0xc); /* devid, direction and endpoint */
	CHECK_BYTES(again + 0x14, p + 0x14, 0x14);
	CHECK_BYTES(again + 0x28, zeros, 8);
	block_free(p);
	block_free(again);
}

static void result_of_unlink(void)
{
	uint8_t *p = message(URB_RET_UNLINK), *again = block(NULL, URB_SIZE);
	static const uint8_t zeros[URB_SIZE];
	struct urb_reply reply;

	memset(&reply, 0xa5, sizeof(reply));
	put(p, 0x14, (uint32_t)-104);
	CHECK_INT(urb_reply_decode(p, &reply), 0);
	CHECK_INT(reply.code, 4);
	CHECK_INT(reply.seqnum, raw(p + 4, 4));
	CHECK_INT(reply.status, -104);
	CHECK_INT(reply.length, 0);
	CHECK_INT(reply.start_frame, 0);
	CHECK_INT(reply.packets, 0);
	CHECK_INT(reply.errors, 0);
	reply.length = reply.packets = 7; /* do not belong to it, and are not sent */
	urb_reply_encode(again, &reply);
	CHECK_BYTES(again, p, 8);
	CHECK_BYTES(again + 8, zeros, 0xc);
	CHECK_BYTES(again + 0x14, p + 0x14, 4);
	CHECK_BYTES(again + 0x18, zeros, 0x18);
	block_free(p);
	block_free(again);
}

static void codes(void)
{
	static const uint32_t all[] = { 0, 1, 2, 3, 4, 5, 0x101, 0x01000000, 0xffffffff };
	struct urb_command command;
	struct urb_reply reply;
	uint8_t *p = message(URB_CMD_SUBMIT);

	for (size_t i = 0; i < LENGTH(all); i++) {
		put(p, 0, all[i]);
		CHECK_INT(urb_command_decode(p, &command),
			  all[i] == 1 || all[i] == 2 ? 0 : -EBADMSG);
		CHECK_INT(urb_reply_decode(p, &reply),
			  all[i] == 3 || all[i] == 4 ? 0 : -EBADMSG);
	}
	block_free(p);
}

static void refused(void)
{
	static const struct {
		size_t at;
		uint32_t value;
		int submit, unlink;
	} row[] = {
		{ 0xc, 2, -EBADMSG, 0 }, { 0xc, 0x100, -EBADMSG, 0 }, { 0xc, UINT32_MAX, -EBADMSG, 0 },
		{ 0x10, 16, -EBADMSG, 0 }, { 0x10, 0x10f, -EBADMSG, 0 }, { 0x10, 0x81, -EBADMSG, 0 },
		{ 0x10, 0, 0, 0 }, { 0x18, 0, 0, 0 }, { 0x18, INT32_MAX, 0, 0 },
		{ 0x18, 0x80000000, -EBADMSG, 0 }, { 0x18, UINT32_MAX, -EBADMSG, 0 },
		{ 0x14, UINT32_MAX, 0, 0 }, { 0x1c, UINT32_MAX, 0, 0 }, { 0x20, UINT32_MAX, 0, 0 },
		{ 0x24, UINT32_MAX, 0, 0 }, { 4, 0, 0, 0 }, { 8, 0, 0, 0 },
	};
	struct urb_command command;

	for (size_t i = 0; i < LENGTH(row); i++) {
		uint8_t *p = put(message(URB_CMD_SUBMIT), row[i].at, row[i].value);

		CHECK_INT(urb_command_decode(p, &command), row[i].submit);
		put(p, 0, URB_CMD_UNLINK);
		CHECK_INT(urb_command_decode(p, &command), row[i].unlink);
		block_free(p);
	}
}

static void refused_result(void)
{
	uint8_t *p = message(URB_RET_SUBMIT);
	struct urb_reply reply;

	CHECK_INT(urb_reply_decode(put(p, 0x18, INT32_MAX), &reply), 0);
	CHECK_INT(reply.length, INT32_MAX);
	CHECK_INT(urb_reply_decode(put(p, 0x18, 0x80000000), &reply), -EBADMSG);
	put(p, 0, URB_RET_UNLINK);
	CHECK_INT(urb_reply_decode(p, &reply), 0);
	block_free(p);
}

static void packet(void)
{
	uint8_t *p = block(NULL, URB_PACKET_SIZE), *again = block(NULL, URB_PACKET_SIZE);
	struct urb_packet packet;

	for (uint8_t i = 0; i < URB_PACKET_SIZE; i++)
		p[i] = (uint8_t)(0xe1 + i);
	urb_packet_decode(p, &packet);
	CHECK_INT(packet.offset, 0xe1e2e3e4);
	CHECK_INT(packet.length, 0xe5e6e7e8);
	CHECK_INT(packet.actual, 0xe9eaebec);
	CHECK_INT(packet.status, (int32_t)0xedeeeff0);
	urb_packet_encode(again, &packet);
	CHECK_BYTES(again, p, URB_PACKET_SIZE);
	block_free(p);
	block_free(again);
}

static bool all_fit(const struct urb_packet *packet, unsigned count, uint32_t length)
{
	uint32_t left = length;

	for (unsigned i = 0; i < count; i++)
		if (!urb_packet_fits(&packet[i], length, &left))
			return false;
	return true;
}

static void packets(void)
{
	static const struct {
		struct urb_packet packet[3];
		unsigned count;
		uint32_t length;
		bool fit;
	} row[] = {
		{ { { 0 } }, 0, 0, true },
		{ { { 0 } }, 1, 0, true },
		{ { { 1, 0, 0, 0 } }, 1, 0, false },
		{ { { 100, 0, 0, 0 } }, 1, 100, true }, /* an empty one at the end */
		{ { { 101, 0, 0, 0 } }, 1, 100, false },
		{ { { 0, 100, 0, 0 } }, 1, 100, true },
		{ { { 0, 101, 0, 0 } }, 1, 100, false },
		{ { { 1, 100, 0, 0 } }, 1, 100, false },
		{ { { 0, 10, 0, 0 }, { 10, 10, 0, 0 }, { 20, 10, 0, 0 } }, 3, 30, true },
		{ { { 0, 10, 0, 0 }, { 10, 10, 0, 0 }, { 20, 11, 0, 0 } }, 3, 30, false },
		{ { { 0, 10, 0, 0 }, { 10, 10, 0, 0 }, { 21, 10, 0, 0 } }, 2, 30, true },
		{ { { 0, 5, 0, 0 }, { 12, 5, 0, 0 }, { 25, 5, 0, 0 } }, 3, 30, true }, /* gaps */
		{ { { 20, 10, 0, 0 }, { 10, 10, 0, 0 }, { 0, 10, 0, 0 } }, 3, 30, true },
		{ { { 0, 15, 0, 0 }, { 0, 15, 0, 0 } }, 2, 30, true },
		{ { { 0, 20, 0, 0 }, { 0, 11, 0, 0 } }, 2, 30, false }, /* 31 bytes in all */
		{ { { UINT32_MAX, 2, 0, 0 } }, 1, 100, false },
		{ { { 2, UINT32_MAX, 0, 0 } }, 1, 100, false },
		{ { { 0x80000000, 0x80000000, 0, 0 } }, 1, 100, false },
		{ { { 0, 0x80000000, 0, 0 }, { 0, 0x80000000, 0, 0 } }, 2, 100, false },
		{ { { 0, UINT32_MAX, 0, 0 }, { 0, 1, 0, 0 } }, 2, UINT32_MAX, false },
		{ { { 0, 4, 200, 0 } }, 1, 4, true }, /* of a client actual means nothing */
	};

	for (size_t i = 0; i < LENGTH(row); i++)
		CHECK_INT(all_fit(row[i].packet, row[i].count, row[i].length), row[i].fit);
}

/* include/uapi/asm-generic/errno.h: names here, numbers on the wire. */
static void statuses(void)
{
	static const struct {
		int here, wire;
	} row[] = {
		{ 0, 0 }, { EPERM, 1 }, { ENOENT, 2 }, { EIO, 5 }, { ENXIO, 6 }, { EAGAIN, 11 },
		{ ENOMEM, 12 }, { EBUSY, 16 }, { EXDEV, 18 }, { ENODEV, 19 }, { EINVAL, 22 },
		{ EFBIG, 27 }, { ENOSPC, 28 }, { EPIPE, 32 }, { ERANGE, 34 }, { EBADR, 53 },
		{ ETIME, 62 }, { ENOSR, 63 }, { ECOMM, 70 }, { EPROTO, 71 }, { EOVERFLOW, 75 },
		{ EILSEQ, 84 }, { EMSGSIZE, 90 }, { EOPNOTSUPP, 95 }, { ECONNRESET, 104 },
		{ ESHUTDOWN, 108 }, { ETIMEDOUT, 110 }, { EHOSTUNREACH, 113 },
		{ EINPROGRESS, 115 }, { EREMOTEIO, 121 },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		CHECK_INT(urb_status_to_wire(-row[i].here), -row[i].wire);
		CHECK_INT(urb_status_from_wire(-row[i].wire), -row[i].here);
	}
}

static void other_statuses(void)
{
	static const int other[] = { 1, 71, INT32_MAX, INT32_MIN, -36, -52, -54, -133, -4096 };

	for (size_t i = 0; i < LENGTH(other); i++)
		CHECK_INT(urb_status_from_wire(other[i]), -EPROTO);
	CHECK_INT(urb_status_to_wire(1), -71);
	CHECK_INT(urb_status_to_wire(EPIPE), -71);
	CHECK_INT(urb_status_to_wire(INT32_MAX), -71);
	CHECK_INT(urb_status_to_wire(INT32_MIN), -71);
	CHECK_INT(urb_status_to_wire(-EADDRINUSE), -71);
	/* each number has one name */
	for (int status = 0; status >= -4096; status--) {
		int here = urb_status_from_wire(status);

		CHECK_INT(urb_status_to_wire(here), here == -EPROTO ? -71 : status);
	}
}

/* What all sessions of tests/fixtures/sessions have together. */
static unsigned messages[URB_RET_UNLINK + 1], packets_seen, sessions;

/* Packets that are encoded to the same bytes; returns their length. */
static size_t replay_packets(const uint8_t *p, size_t left, uint32_t count, uint32_t length)
{
	struct urb_packet packet[URB_PACKETS_MAX];
	uint8_t again[URB_PACKET_SIZE];

	must(count <= URB_PACKETS_MAX && count * (size_t)URB_PACKET_SIZE <= left, "read packets");
	for (uint32_t i = 0; i < count; i++, p += URB_PACKET_SIZE) {
		urb_packet_decode(p, &packet[i]);
		urb_packet_encode(again, &packet[i]);
		CHECK_BYTES(again, p, URB_PACKET_SIZE);
	}
	CHECK(all_fit(packet, count, length));
	packets_seen += count;
	return count * (size_t)URB_PACKET_SIZE;
}

static size_t replay_command(const uint8_t *p, size_t left, struct urb_command *command)
{
	uint8_t again[URB_SIZE];
	size_t at = URB_SIZE;

	must(left >= URB_SIZE, "read a command");
	CHECK_INT(urb_command_decode(p, command), 0);
	urb_command_encode(again, command);
	CHECK_BYTES(again, p, URB_SIZE);
	messages[command->code]++;
	if (command->code == URB_CMD_SUBMIT && !command->in)
		at += command->length;
	must(at <= left, "read data");
	return at + replay_packets(p + at, left - at, command->packets, command->length);
}

static size_t replay_reply(const uint8_t *p, size_t left, const struct urb_command *command,
			   unsigned commands)
{
	uint8_t again[URB_SIZE];
	struct urb_reply reply;
	size_t at = URB_SIZE;

	must(left >= URB_SIZE, "read a reply");
	CHECK_INT(urb_reply_decode(p, &reply), 0);
	urb_reply_encode(again, &reply);
	CHECK_BYTES(again, p, URB_SIZE);
	messages[reply.code]++;
	while (commands && command->seqnum != reply.seqnum)
		command++, commands--;
	must(commands, "find the command");
	if (reply.code == URB_RET_SUBMIT && command->in)
		at += reply.length;
	CHECK(reply.length <= command->length);
	CHECK_INT(reply.packets, command->packets);
	must(at <= left, "read data");
	return at + replay_packets(p + at, left - at, reply.packets, command->length);
}

static void replay(const char *path, const char *name)
{
	static struct urb_command command[500];
	unsigned commands = 0;
	char other[PATH_MAX];
	size_t len, at = 0;
	uint8_t *p = hex_read(path, &len, NULL);

	check_begin("t_urb: %s", name);
	for (; at < len && commands < LENGTH(command); commands++)
		at += replay_command(p + at, len - at, &command[commands]);
	CHECK_INT(at, len);
	block_free(p);
	snprintf(other, sizeof(other), "%.*sreplies.hex", (int)(strlen(path) - strlen("commands.hex")),
		 path);
	p = hex_read(other, &len, NULL);
	for (at = 0; at < len;)
		at += replay_reply(p + at, len - at, command, commands);
	block_free(p);
	check_end();
	sessions++;
}

static void sessions_are_there(void)
{
	CHECK(sessions > 0);
	CHECK(messages[URB_CMD_SUBMIT] > 20);
	CHECK(messages[URB_RET_SUBMIT] > 20);
	CHECK(messages[URB_CMD_UNLINK] > 0);
	CHECK_INT(messages[URB_RET_UNLINK], messages[URB_CMD_UNLINK]);
	CHECK(packets_seen > 2); /* in both directions */
}

int main(void)
{
	RUN("t_urb: URB_CMD_SUBMIT", submit);
	RUN("t_urb: URB_CMD_UNLINK", submit_unlink);
	RUN("t_urb: URB_RET_SUBMIT", result);
	RUN("t_urb: URB_RET_UNLINK", result_of_unlink);
	RUN("t_urb: codes", codes);
	RUN("t_urb: commands that are refused", refused);
	RUN("t_urb: replies that are refused", refused_result);
	RUN("t_urb: a packet", packet);
	RUN("t_urb: packets in a buffer", packets);
	RUN("t_urb: statuses", statuses);
	RUN("t_urb: statuses that are not known", other_statuses);
	each_file(FIXTURES "sessions", "_commands.hex", replay);
	RUN("t_urb: the sessions are there", sessions_are_there);
	return check_status();
}

/* SPDX-License-Identifier: MIT */
/*
 * Tests of proto/op: every message of tests/fixtures/packets is decoded, encoded back, cut off at
 * every byte and has every bit flipped; the hostile ones fail as their comment says.
 */
#include "proto/op.h"
#include "tests/bytes.h"
#include "tests/files.h"

enum kind { REQUEST, DEVLIST, IMPORT };
enum { DEVICES_MAX = 16, MESSAGE_MAX = 8192 };

/* Any message, decoded. */
struct message {
	struct op_request request;
	uint32_t status;
	uint32_t devices;
	struct op_device device[DEVICES_MAX];
	struct op_interface interface[DEVICES_MAX][OP_INTERFACES_MAX];
};

static struct message message;

static enum kind kind_of(const char *name)
{
	if (!strncmp(name, "made_", 5))
		name += 5;
	if (!strncmp(name, "req_", 4))
		return REQUEST;
	if (!strncmp(name, "rep_devlist", 11))
		return DEVLIST;
	must(!strncmp(name, "rep_import", 10), "tell the message from the file's name");
	return IMPORT;
}

static int decode_list(const uint8_t *buf, size_t len, struct message *m)
{
	int n = op_devlist_head_decode(buf, len, OP_REP_DEVLIST, &m->devices);
	size_t used = (size_t)n;

	if (n <= 0)
		return n;
	for (uint32_t i = 0; i < m->devices; i++) {
		uint32_t at = i % DEVICES_MAX;

		n = op_record_decode(buf + used, len - used, &m->device[at], m->interface[at]);
		if (n <= 0)
			return n;
		used += (size_t)n;
	}
	return (int)used;
}

static int decode(enum kind kind, const uint8_t *buf, size_t len, struct message *m)
{
	if (kind == REQUEST)
		return op_request_decode(buf, len, &m->request);
	if (kind == DEVLIST)
		return decode_list(buf, len, m);
	return op_rep_import_decode(buf, len, &m->status, &m->device[0]);
}

static int encode_list(uint8_t *buf, size_t size, const struct message *m)
{
	int n = op_devlist_head_encode(buf, size, OP_REP_DEVLIST, m->devices);
	size_t used = (size_t)n;

	for (uint32_t i = 0; n > 0 && i < m->devices; i++) {
		n = op_record_encode(buf + used, size - used, &m->device[i], m->interface[i]);
		used += (size_t)n;
	}
	return n < 0 ? n : (int)used;
}

static int encode(enum kind kind, uint8_t *buf, size_t size, const struct message *m)
{
	if (kind == REQUEST)
		return op_request_encode(buf, size, &m->request);
	if (kind == DEVLIST)
		return encode_list(buf, size, m);
	return op_rep_import_encode(buf, size, m->status, &m->device[0]);
}

static void zero_behind_end(uint8_t *s, size_t size)
{
	size_t len = strnlen((char *)s, size);

	memset(s + len, 0, size - len);
}

/* Zeroes what a decoder ignores: what is behind a string's end, padding, a request's status. */
static void normalise(enum kind kind, uint8_t *p, size_t len)
{
	size_t at = kind == DEVLIST ? 12 : 8;

	if (kind == REQUEST) {
		memset(p + 4, 0, 4);
		if (len >= 40)
			zero_behind_end(p + 8, 32);
		return;
	}
	while (at + 312 <= len) {
		unsigned interfaces = kind == DEVLIST ? p[at + 311] : 0;

		zero_behind_end(p + at, 256);
		zero_behind_end(p + at + 256, 32);
		at += 312;
		for (; interfaces && at + 4 <= len; interfaces--, at += 4)
			p[at + 3] = 0;
	}
}

static void check_list(const uint8_t *p, const struct message *m)
{
	size_t at = 12;

	CHECK_INT(m->devices, raw(p + 8, 4));
	for (uint32_t i = 0; i < m->devices; i++) {
		check_device(p + at, &m->device[i]);
		at += 312;
		for (unsigned j = 0; j < m->device[i].interfaces; j++, at += 4) {
			CHECK_INT(m->interface[i][j].class, p[at]);
			CHECK_INT(m->interface[i][j].subclass, p[at + 1]);
			CHECK_INT(m->interface[i][j].protocol, p[at + 2]);
		}
	}
}

static void check_fields(enum kind kind, const uint8_t *p, const struct message *m)
{
	if (kind == DEVLIST) {
		check_list(p, m);
	} else if (kind == IMPORT) {
		CHECK_INT(m->status, raw(p + 4, 4));
		if (!m->status)
			check_device(p + 8, &m->device[0]);
	} else {
		CHECK_INT(m->request.code, raw(p + 2, 2));
		CHECK_STR(m->request.busid, raw(p + 2, 2) == 0x8003 ? (const char *)p + 8 : "");
	}
}

/* What was decoded becomes these bytes again, but for what a decoder ignores. */
static void check_encoded(enum kind kind, const uint8_t *p, size_t len, const struct message *m)
{
	uint8_t *want = block(p, len), *got = block(NULL, len);

	normalise(kind, want, len);
	CHECK_INT(encode(kind, got, len, m), len);
	CHECK_BYTES(got, want, len);
	block_free(got);
	block_free(want);
}

static void check_truncated(enum kind kind, const uint8_t *p, size_t len)
{
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *part = block(p, cut);
		int n = decode(kind, part, cut, &message);

		if (n)
			check_fault(__FILE__, __LINE__, "%zu bytes of %zu give %d", cut, len, n);
		block_free(part);
	}
}

/* Whether each device has a path with an end and a bus id that is one. */
static bool has_whole_strings(enum kind kind, const uint8_t *p, size_t len)
{
	size_t at = kind == DEVLIST ? 12 : 8;

	for (; kind != REQUEST && at + 312 <= len; at += 312 + (kind == DEVLIST ? 4u * p[at + 311] : 0))
		if (!memchr(p + at, 0, 256) || !memchr(p + at + 256, 0, 32) ||
		    !busid_is_name((const char *)p + at + 256))
			return false;
	return true;
}

static void check_flipped(enum kind kind, const uint8_t *p, size_t len)
{
	uint8_t *flipped = block(p, len);
	int n;

	for (size_t bit = 0; bit < len * 8; bit++) {
		flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
		n = decode(kind, flipped, len, &message);
		CHECK(n <= (int)len);
		if (n > 0 && (kind != DEVLIST || message.devices <= DEVICES_MAX) &&
		    has_whole_strings(kind, flipped, (size_t)n))
			check_encoded(kind, flipped, (size_t)n, &message);
		flipped[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	block_free(flipped);
}

/* It is whole in a block of its size, and the same with something behind it. */
static void check_whole(enum kind kind, const uint8_t *p, size_t len)
{
	uint8_t *longer = block(NULL, len + 50);

	memset(&message, 0x5a, sizeof(message));
	CHECK_INT(decode(kind, p, len, &message), len);
	check_fields(kind, p, &message);
	check_encoded(kind, p, len, &message);
	memcpy(longer, p, len);
	CHECK_INT(decode(kind, longer, len + 50, &message), len);
	check_fields(kind, p, &message);
	block_free(longer);
}

/* Every size that is too small is said to be, and nothing is written behind it. */
static void check_no_space(enum kind kind, const uint8_t *p, size_t len)
{
	CHECK_INT(decode(kind, p, len, &message), len);
	for (size_t size = 0; size < len; size++) {
		uint8_t *small = block(NULL, size);

		CHECK_INT(encode(kind, small, size, &message), -ENOSPC);
		block_free(small);
	}
}

static unsigned replayed;

static void replay(const char *path, const char *name)
{
	size_t len;
	uint8_t *p = hex_read(path, &len, NULL);
	enum kind kind = kind_of(name);
	static const struct {
		const char *what;
		void (*check)(enum kind kind, const uint8_t *p, size_t len);
	} step[] = {
		{ "decoded and encoded", check_whole },
		{ "every truncation is incomplete", check_truncated },
		{ "every bit flip", check_flipped },
		{ "every size too small for it", check_no_space },
	};

	for (size_t i = 0; i < LENGTH(step); i++) {
		check_begin("t_op: %s: %s", name, step[i].what);
		step[i].check(kind, p, len);
		check_end();
	}
	block_free(p);
	replayed++;
}

static void captures_are_there(void)
{
	static const char *const names[] = {
		"req_devlist",	   "rep_devlist_empty", "rep_devlist_several",
		"rep_devlist_multi_interface", "rep_devlist_unconfigured", "req_import",
		"rep_import_ok",   "rep_import_na",	"rep_import_busy",
		"rep_import_error", "rep_import_nodev",
	};

	for (size_t i = 0; i < LENGTH(names); i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), FIXTURES "packets/%s.hex", names[i]);
		if (access(path, R_OK))
			check_fault(__FILE__, __LINE__, "no %s", path);
	}
	CHECK(replayed >= LENGTH(names));
}

/* The statuses of the captured refusals, by their names. */
static void captured_statuses(void)
{
	static const struct {
		const char *path;
		uint32_t status;
	} table[] = {
		{ FIXTURES "packets/rep_import_ok.hex", OP_OK },
		{ FIXTURES "packets/rep_import_na.hex", OP_NA },
		{ FIXTURES "packets/rep_import_busy.hex", OP_BUSY },
		{ FIXTURES "packets/rep_import_error.hex", OP_DEV_ERR },
		{ FIXTURES "packets/rep_import_nodev.hex", OP_NODEV },
	};

	for (size_t i = 0; i < LENGTH(table); i++) {
		size_t len;
		uint8_t *p = hex_read(table[i].path, &len, NULL);

		CHECK_INT(len, table[i].status ? 8 : 320);
		CHECK_INT(op_rep_import_decode(p, len, &message.status, &message.device[0]), len);
		CHECK_INT(message.status, table[i].status);
		block_free(p);
	}
}

static int expected(const char *comment)
{
	static const struct {
		const char *name;
		int result; /* 1 = complete */
	} table[] = {
		{ "OK", 1 },
		{ "ODD", 1 }, /* it has a string that is malformed */
		{ "INCOMPLETE", 0 },
		{ "EPROTONOSUPPORT", -EPROTONOSUPPORT },
		{ "ENOSYS", -ENOSYS },
		{ "EILSEQ", -EILSEQ },
		{ "EBADMSG", -EBADMSG },
		{ "EREMOTEIO", -EREMOTEIO },
		{ "EMSGSIZE", -EMSGSIZE },
	};
	const char *word = strstr(comment, "# expect: ");

	for (size_t i = 0; word && i < LENGTH(table); i++)
		if (!strncmp(word + 10, table[i].name, strlen(table[i].name)) &&
		    word[10 + strlen(table[i].name)] == '\n')
			return table[i].result;
	must(false, "find what to expect");
	return 0;
}

/* How long a message is that its decoder must call complete. */
static size_t length_of(enum kind kind, const uint8_t *p)
{
	if (kind == REQUEST)
		return raw(p + 2, 2) == 0x8003 ? 40 : 8;
	if (kind == IMPORT)
		return raw(p + 4, 4) ? 8 : 320;
	return 12 + raw(p + 8, 4) * (312 + 4 * (size_t)p[12 + 311]); /* one kind of device only */
}

static void hostile(const char *path, const char *name)
{
	char *comment;
	size_t len;
	uint8_t *p = hex_read(path, &len, &comment);
	enum kind kind = kind_of(name);
	int want, n;

	check_begin("t_op: hostile/%s", name);
	want = expected(comment);
	n = decode(kind, p, len, &message);
	CHECK_INT(n, want > 0 ? (int)length_of(kind, p) : want);
	CHECK_INT(n > 0 && !has_whole_strings(kind, p, (size_t)n), strstr(comment, "ODD") != NULL);
	if (n > 0 && has_whole_strings(kind, p, (size_t)n)) {
		check_fields(kind, p, &message);
		check_encoded(kind, p, (size_t)n, &message);
	}
	if (n < 0)
		CHECK(*op_strerror(n));
	check_flipped(kind, p, len);
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *part = block(p, cut);
		int early = decode(kind, part, cut, &message);

		/* no part of it may be taken for something else than the whole */
		CHECK(!early || early == n);
		block_free(part);
	}
	check_end();
	block_free(p);
	free(comment);
}

/* Strings without a terminator, which the encoders must not read beyond. */
static void long_strings(void)
{
	static uint8_t buf[MESSAGE_MAX];
	struct op_request request = { .code = OP_REQ_IMPORT };
	struct op_device device = { .path = "/sys/x", .busid = "1-1" };

	memset(request.busid, '1', sizeof(request.busid));
	CHECK_INT(op_request_encode(buf, sizeof(buf), &request), -ENOSPC);
	memset(device.busid, '1', sizeof(device.busid));
	CHECK_INT(op_record_encode(buf, sizeof(buf), &device, NULL), -ENOSPC);
	CHECK_INT(op_rep_import_encode(buf, sizeof(buf), OP_OK, &device), -ENOSPC);
	device.busid[BUSID_SIZE - 1] = '\0';
	CHECK_INT(op_record_encode(buf, sizeof(buf), &device, NULL), 312);
	memset(device.path, '/', sizeof(device.path));
	CHECK_INT(op_record_encode(buf, sizeof(buf), &device, NULL), -ENOSPC);
	CHECK_INT(op_rep_import_encode(buf, sizeof(buf), OP_OK, &device), -ENOSPC);
	device.path[OP_PATH_SIZE - 1] = '\0';
	CHECK_INT(op_rep_import_encode(buf, sizeof(buf), OP_OK, &device), 320);
}

/* A refusal needs no device. */
static void refusal(void)
{
	static const uint8_t want[] = { 1, 0x11, 0, 3, 0, 0, 0, 2 };
	uint8_t *p = block(NULL, 8);

	CHECK_INT(op_rep_import_encode(p, 8, OP_BUSY, NULL), 8);
	CHECK_BYTES(p, want, 8);
	block_free(p);
}

static void head_limits(void)
{
	uint8_t p[12];
	uint32_t devices = 7;

	CHECK_INT(op_devlist_head_encode(p, sizeof(p), OP_REP_DEVLIST, OP_DEVLIST_MAX), 12);
	CHECK_INT(op_devlist_head_decode(p, sizeof(p), OP_REP_DEVLIST, &devices), 12);
	CHECK_INT(devices, OP_DEVLIST_MAX);
	CHECK_INT(op_devlist_head_encode(p, sizeof(p), OP_REP_DEVLIST, OP_DEVLIST_MAX + 1), 12);
	CHECK_INT(op_devlist_head_decode(p, sizeof(p), OP_REP_DEVLIST, &devices), -EMSGSIZE);
}

/* The request and the reply that are not of the standard. */
static void watch(void)
{
	static const uint8_t request[] = { 1, 0x11, 0x80, 0x60, 0, 0, 0, 0 };
	static const uint8_t head[] = { 1, 0x11, 0, 0x60, 0, 0, 0, 0, 0, 0, 0, 3 };
	uint8_t *p = block(request, sizeof(request)), *back = block(NULL, sizeof(head));
	struct op_request r = { .busid = "1-1" };
	uint32_t devices = 0;

	CHECK_INT(op_request_decode(p, 8, &r), 8);
	CHECK_INT(r.code, OP_REQ_WATCH);
	CHECK_STR(r.busid, "");
	strcpy(r.busid, "1-1"); /* is not sent */
	CHECK_INT(op_request_encode(back, sizeof(head), &r), 8);
	CHECK_BYTES(back, request, 8);
	CHECK_INT(op_devlist_head_encode(back, sizeof(head), OP_REP_WATCH, 3), 12);
	CHECK_BYTES(back, head, 12);
	CHECK_INT(op_devlist_head_decode(back, 12, OP_REP_WATCH, &devices), 12);
	CHECK_INT(devices, 3);
	CHECK_INT(op_devlist_head_decode(back, 12, OP_REP_DEVLIST, &devices), -EBADMSG);
	block_free(back);
	block_free(p);
}

static void call(void)
{
	static const uint8_t head[] = { 1, 0x11, 0x80, 0x61, 0, 0, 0, 0, 'l', 'a', 'b', '@', 'x', 0 };
	uint8_t *p = block(NULL, OP_CALL_SIZE);
	char *identity = block(NULL, OP_IDENTITY_SIZE);

	CHECK_INT(op_call_encode(p, OP_CALL_SIZE, "lab@x"), OP_CALL_SIZE);
	CHECK_INT(op_call_encode(p, OP_CALL_SIZE - 1, "lab@x"), -ENOSPC);
	CHECK_BYTES(p, head, sizeof(head));
	for (size_t i = sizeof(head); i < OP_CALL_SIZE; i++)
		CHECK_INT(p[i], 0);
	for (size_t i = 0; i < OP_CALL_SIZE; i++)
		CHECK_INT(op_call_decode(p, i, identity), 0);
	CHECK_INT(op_call_decode(p, OP_CALL_SIZE, identity), OP_CALL_SIZE);
	CHECK_STR(identity, "lab@x");
	memset(p + OP_COMMON_SIZE, 'x', OP_IDENTITY_SIZE);
	CHECK_INT(op_call_decode(p, OP_CALL_SIZE, identity), OP_CALL_SIZE);
	CHECK_STR(identity, "");
	p[3] = 0x60;
	CHECK_INT(op_call_decode(p, OP_COMMON_SIZE, identity), -ENOSYS);
	p[1] = 0x10;
	CHECK_INT(op_call_decode(p, OP_COMMON_SIZE, identity), -EPROTONOSUPPORT);
	block_free(identity);
	block_free(p);
}

/* The mark is where a stranger finds zeros, and no part of the path. */
static void mark(void)
{
	static const uint8_t want[] = { 0, 'u', 's', 'b', 'i', 'p', 'h', 'p',
					1, 2,   3,   4,   5,   6,   7,   8 };
	struct op_device device = { .path = "/sys/x", .busid = "1-1" }, back;
	size_t size = 12 + 312;
	uint8_t *p = block(NULL, size), *empty = block(NULL, 28);
	uint64_t identity, got = 7;

	memcpy(&identity, want + 8, 8);
	for (int full = 0; full < 2; full++) {
		if (full)
			memset(device.path, '/', OP_PATH_SIZE - 1);
		op_record_encode(p + 12, 312, &device, NULL);
		if (!full) {
			CHECK(!op_mark_decode(p + 12 + 240, &got));
			CHECK_INT(got, 7);
		}
		CHECK_INT(op_devlist_mark(p, size, identity), size);
		CHECK_BYTES(p + 12 + 240, want, sizeof(want));
		CHECK(op_mark_decode(p + 12 + OP_MARK_AT, &got));
		CHECK(got == identity);
		CHECK_INT(op_record_decode(p + 12, 312, &back, NULL), 312);
		CHECK_INT(strlen(back.path), full ? 240 : 6);
		CHECK_STR(back.busid, "1-1");
	}
	CHECK_INT(op_devlist_head_encode(empty, 12, OP_REP_DEVLIST, 0), 12);
	CHECK_INT(op_devlist_mark(empty, 12, identity), 28);
	CHECK_BYTES(empty + 12, want, sizeof(want));
	for (int i = 0; i < 8; i++) {
		empty[12 + i] ^= 1;
		CHECK(!op_mark_decode(empty + 12, &got));
		empty[12 + i] ^= 1;
	}
	block_free(p);
	block_free(empty);
}

/* The length of a record is known from its last byte but the interfaces; nothing else is read. */
static void record_size(void)
{
	static struct op_interface interface[OP_INTERFACES_MAX];
	struct op_device device = { .path = "/sys/x", .busid = "1-1" };
	static uint8_t bytes[OP_RECORD_MAX];

	for (unsigned n = 0; n <= OP_INTERFACES_MAX; n++) {
		device.interfaces = (uint8_t)n;
		CHECK_INT(op_record_encode(bytes, sizeof(bytes), &device, interface), 312 + 4 * n);
	}
}

/* What is said of a peer's fault, and of a refusal. */
static void fault_texts(void)
{
	static const struct {
		int error;
		const char *word;
	} said[] = {
		{ -EPROTONOSUPPORT, "does not speak" }, { -EMSGSIZE, "more than 1024" },
		{ -EILSEQ, "invalid bus id" },		{ -EREMOTEIO, "refused" },
		{ -EBADMSG, "not one to this request" },		{ -ENOSYS, "not one to this request" },
	};
	static const char *const refusal_word[] = { "", "request failed", "busy", "error state",
						     "not found", "request failed",
						     "request failed" };

	for (size_t i = 0; i < LENGTH(said); i++)
		if (!strstr(op_strerror(said[i].error), said[i].word))
			check_fault(__FILE__, __LINE__, "%d is %s", said[i].error,
				    op_strerror(said[i].error));
	for (uint32_t i = 1; i < LENGTH(refusal_word); i++)
		if (!strstr(op_status_text(i), refusal_word[i]))
			check_fault(__FILE__, __LINE__, "%u is %s", i, op_status_text(i));
}

static void status_texts(void)
{
	for (uint32_t i = 1; i < 8; i++)
		CHECK(*op_status_text(i));
	CHECK(strcmp(op_status_text(OP_BUSY), op_status_text(OP_NODEV)));
}

int main(void)
{
	each_file(FIXTURES "packets", ".hex", replay);
	each_file(FIXTURES "hostile", ".hex", hostile);
	RUN("t_op: the captured messages are there", captures_are_there);
	RUN("t_op: the statuses of captured import replies", captured_statuses);
	RUN("t_op: strings too long are refused", long_strings);
	RUN("t_op: a refusal has no device", refusal);
	RUN("t_op: the longest list", head_limits);
	RUN("t_op: a watch", watch);
	RUN("t_op: a call", call);
	RUN("t_op: the mark of our servers", mark);
	RUN("t_op: the length of a record", record_size);
	RUN("t_op: texts of faults and refusals", fault_texts);
	RUN("t_op: texts of statuses", status_texts);
	return check_status();
}

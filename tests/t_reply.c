/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/reply: every reply of tests/fixtures, fed whole and in pieces of all sizes,
 * means what its bytes say, and no more; no byte that is the kernel's is ever asked for.
 */
#include "client/reply.h"

#include "tests/bytes.h"
#include "tests/files.h"

enum { EVENTS_MAX = 4096, BYTE_WISE = 1, RANDOM = 0, WHOLE = 1000000 };

/* What came of the bytes. */
struct outcome {
	unsigned events;
	int end; /* REPLY_MORE, or -errno */
	struct event {
		int kind;
		struct reply_item item;
	} event[EVENTS_MAX];
};

static struct outcome outcome, other;

/* Its buffer is at the end of a heap block: no byte behind it may be touched. */
static struct reply *new_reader(enum op_code request)
{
	struct reply *reply = malloc(sizeof(*reply));

	must(reply, "allocate");
	memset(reply, 0xa5, sizeof(*reply));
	reply_start(reply, request);
	return reply;
}

static size_t piece_size(size_t piece)
{
	static uint32_t seed = 12345;

	if (piece != RANDOM)
		return piece;
	seed = seed * 1664525 + 1013904223;
	return seed >> 30 ? 1 + (seed >> 8) % 40 : 1 + (seed >> 8) % 1500;
}

/* All events that the bytes so far give; false when it is over: for an import, or a fault. */
static bool take_events(struct reply *reply, struct outcome *out, enum op_code request)
{
	struct event *event;

	for (;;) {
		must(out->events < EVENTS_MAX, "keep all events");
		event = &out->event[out->events];
		memset(event, 0, sizeof(*event));
		event->kind = reply_next(reply, &event->item);
		CHECK(reply->used <= reply->len && reply->len <= sizeof(reply->buf));
		if (event->kind <= 0) {
			out->end = event->kind;
			return !event->kind;
		}
		out->events++;
		if (event->kind == REPLY_IMPORT ||
		    (event->kind == REPLY_END && request == OP_REQ_DEVLIST))
			return false;
	}
}

/* For an import no byte beyond the header, then none beyond the reply. */
static void room_is_ours(enum op_code request, size_t fed, size_t size)
{
	CHECK(size > 0);
	if (request == OP_REQ_IMPORT)
		CHECK_INT(fed + size, fed < 8 ? 8 : 320);
}

static void feed(struct reply *reply, struct outcome *out, enum op_code request, const uint8_t *p,
		 size_t len, size_t piece)
{
	size_t fed = 0, n = 0, left = 0;

	out->events = 0;
	out->end = REPLY_MORE;
	while (fed < len) {
		size_t size;
		uint8_t *room = reply_room(reply, &size);

		room_is_ours(request, fed, size);
		CHECK(room >= reply->buf && room + size <= reply->buf + sizeof(reply->buf));
		if (!left)
			left = piece_size(piece);
		n = size < left ? size : left;
		n = n < len - fed ? n : len - fed;
		memcpy(room, p + fed, n);
		memset(room + n, 0xee, size - n);
		reply->len += n;
		fed += n;
		left -= n;
		if (!take_events(reply, out, request))
			return;
	}
}

static void read_all(struct outcome *out, enum op_code request, const uint8_t *p, size_t len,
		     size_t piece)
{
	struct reply *reply = new_reader(request);

	feed(reply, out, request, p, len, piece);
	free(reply);
}

static bool same(const struct outcome *a, const struct outcome *b)
{
	return a->events == b->events && a->end == b->end &&
	       !memcmp(a->event, b->event, a->events * sizeof(a->event[0]));
}

/* The record at p, decoded; returns its length. */
static size_t record_is(const struct event *event, const uint8_t *p)
{
	CHECK_INT(event->kind, REPLY_RECORD);
	check_device(p, &event->item.device);
	for (unsigned i = 0; i < p[311]; i++)
		CHECK_BYTES(&event->item.interface[i], p + 312 + 4 * (size_t)i, 3);
	return 312 + 4 * (size_t)p[311];
}

/* From event *at on is the list at p; returns its length. */
static size_t list_is(const struct outcome *out, unsigned *at, const uint8_t *p)
{
	size_t used = 12;

	must(*at + raw(p + 8, 4) < out->events, "find all events of a list");
	for (uint32_t i = raw(p + 8, 4); i; i--)
		used += record_is(&out->event[(*at)++], p + used);
	CHECK_INT(out->event[(*at)++].kind, REPLY_END);
	return used;
}

static void import_is(const struct outcome *out, const uint8_t *p)
{
	CHECK_INT(out->events, 1);
	CHECK_INT(out->event[0].kind, REPLY_IMPORT);
	CHECK_INT(out->event[0].item.status, raw(p + 4, 4));
	if (!raw(p + 4, 4))
		check_device(p + 8, &out->event[0].item.device);
}

static void in_pieces(enum op_code request, const uint8_t *p, size_t len)
{
	static const size_t piece[] = { BYTE_WISE, 2, 7, 8, 311, 1332, 2047, 2049, WHOLE };

	for (size_t i = 0; i < LENGTH(piece); i++) {
		read_all(&other, request, p, len, piece[i]);
		if (!same(&outcome, &other))
			check_fault(__FILE__, __LINE__, "differs in pieces of %zu", piece[i]);
	}
	for (int i = 0; i < 50; i++) {
		read_all(&other, request, p, len, RANDOM);
		CHECK(same(&outcome, &other));
	}
}

/* How many events the first cut bytes of a list are good for. */
static unsigned events_within(enum op_code request, const uint8_t *p, size_t cut)
{
	uint32_t devices = cut < 12 ? 0 : raw(p + 8, 4), i;
	size_t at = 12;

	for (i = 0; i < devices; i++) {
		if (cut < at + 312)
			return i;
		at += 312 + 4 * (size_t)p[at + 311];
		if (cut < at)
			return i;
	}
	return i + (cut >= at + (request == OP_REQ_DEVLIST && !devices ? OP_MARK_SIZE : 0) &&
		    cut >= 12);
}

static void truncated(enum op_code request, const uint8_t *p, size_t len)
{
	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *part = block(p, cut);
		unsigned events = request == OP_REQ_IMPORT ? 0 :
				  events_within(request, p, cut);

		read_all(&other, request, part, cut, cut % 2 ? WHOLE : 61);
		CHECK_INT(other.end, REPLY_MORE);
		CHECK_INT(other.events, events);
		CHECK(!memcmp(other.event, outcome.event, other.events * sizeof(struct event)));
		block_free(part);
	}
}

static void list_fixture(enum op_code request, const uint8_t *p, size_t len)
{
	unsigned at = 0;
	size_t behind = raw(p + 8, 4) || request != OP_REQ_DEVLIST ? 0 : OP_MARK_SIZE;

	read_all(&outcome, request, p, len, WHOLE);
	CHECK_INT(outcome.end, REPLY_MORE);
	CHECK_INT(list_is(&outcome, &at, p), len - behind);
	CHECK_INT(outcome.events, at);
	in_pieces(request, p, len);
	truncated(request, p, len);
}

static void import_fixture(const uint8_t *p, size_t len)
{
	read_all(&outcome, OP_REQ_IMPORT, p, len, WHOLE);
	import_is(&outcome, p);
	in_pieces(OP_REQ_IMPORT, p, len);
	truncated(OP_REQ_IMPORT, p, len);
}

static bool is_reply(const char *name, const char *kind)
{
	if (!strncmp(name, "made_", 5))
		name += 5;
	return !strncmp(name, kind, strlen(kind));
}

static unsigned replayed;

static void packet(const char *path, const char *name)
{
	size_t len;
	uint8_t *p;

	if (!is_reply(name, "rep_"))
		return;
	p = hex_read(path, &len, NULL);
	check_begin("t_reply: %s", name);
	if (is_reply(name, "rep_import")) {
		import_fixture(p, len);
	} else {
		bool empty = !raw(p + 8, 4);
		uint8_t *longer = block(NULL, len + OP_MARK_SIZE);

		memcpy(longer, p, len);
		list_fixture(OP_REQ_DEVLIST, empty ? longer : p, len + (empty ? OP_MARK_SIZE : 0));
		block_free(longer);
		check_end();
		check_begin("t_reply: %s, watched", name);
		p[3] = 0x60;
		list_fixture(OP_REQ_WATCH, p, len);
	}
	check_end();
	block_free(p);
	replayed++;
}

static void packets_are_there(void)
{
	CHECK(replayed >= 12);
}

static int expected(const char *comment)
{
	static const struct {
		const char *name;
		int error;
	} table[] = {
		{ "OK\n", 0 },
		{ "ODD\n", 0 },
		{ "INCOMPLETE\n", 0 },
		{ "EPROTONOSUPPORT\n", -EPROTONOSUPPORT },
		{ "EILSEQ\n", -EILSEQ },
		{ "EBADMSG\n", -EBADMSG },
		{ "EREMOTEIO\n", -EREMOTEIO },
		{ "EMSGSIZE\n", -EMSGSIZE },
	};
	const char *want = strstr(comment, "# expect: ");
	size_t i = 0;

	must(want, "find what to expect");
	want += strlen("# expect: ");
	while (i < LENGTH(table) && strncmp(want, table[i].name, strlen(table[i].name)))
		i++;
	must(i < LENGTH(table), "understand what to expect");
	return table[i].error;
}

/* Behind a list of a watch its junk is the next list; behind another reply nobody looks at it. */
static void hostile_as(enum op_code request, const uint8_t *p, size_t len, const char *comment)
{
	int want = expected(comment);
	int last;

	read_all(&outcome, request, p, len, WHOLE);
	last = outcome.events ? outcome.event[outcome.events - 1].kind : REPLY_MORE;
	if (strstr(comment, "# expect: O"))
		CHECK_INT(last, request == OP_REQ_IMPORT ? REPLY_IMPORT : REPLY_END);
	else
		CHECK(last == REPLY_MORE || last == REPLY_RECORD);
	if (strstr(comment, "# expect: O") && request == OP_REQ_WATCH)
		CHECK(outcome.end == -EPROTONOSUPPORT || outcome.end == REPLY_MORE);
	else
		CHECK_INT(outcome.end, want);
	in_pieces(request, p, len);
}

static void hostile(const char *path, const char *name)
{
	char *comment;
	size_t len;
	uint8_t *p;

	if (!is_reply(name, "rep_"))
		return;
	p = hex_read(path, &len, &comment);
	check_begin("t_reply: hostile/%s", name);
	hostile_as(is_reply(name, "rep_import") ? OP_REQ_IMPORT : OP_REQ_DEVLIST, p, len, comment);
	if (is_reply(name, "rep_devlist") && raw(p + 2, 2) == OP_REP_DEVLIST) {
		p[3] = 0x60;
		hostile_as(OP_REQ_WATCH, p, len, comment);
	}
	check_end();
	free(comment);
	block_free(p);
}

/* Each reply as the answer to another request. */
static void another_reply(void)
{
	static const enum op_code requests[] = { OP_REQ_DEVLIST, OP_REQ_IMPORT, OP_REQ_WATCH };
	static const uint8_t codes[] = { 5, 3, 0x60 };
	uint8_t p[320] = { 1, 0x11 };

	for (size_t i = 0; i < LENGTH(requests); i++)
		for (size_t j = 0; j < LENGTH(codes); j++) {
			p[3] = codes[j];
			read_all(&outcome, requests[i], p, i == j ? 7 : 8, WHOLE);
			CHECK_INT(outcome.events, 0);
			CHECK_INT(outcome.end, i == j ? REPLY_MORE : -EBADMSG);
		}
}

/* The lists of a watch one after the other, those without a device between the others. */
static void watched(size_t piece)
{
	static const char *const names[] = {
		"rep_devlist_empty", "rep_devlist_several", "rep_devlist_empty",
		"rep_devlist_empty", "made_rep_devlist_most_interfaces", "rep_devlist_unconfigured",
		"rep_devlist_multi_interface", "made_rep_devlist", "rep_devlist_empty",
	};
	static uint8_t stream[65536];
	size_t len = 0, at = 0;
	unsigned event = 0;

	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < LENGTH(names); i++) {
			char path[PATH_MAX];
			size_t n;
			uint8_t *p;

			snprintf(path, sizeof(path), FIXTURES "packets/%s.hex", names[i]);
			p = hex_read(path, &n, NULL);
			must(len + n <= sizeof(stream), "keep the stream");
			memcpy(stream + len, p, n);
			stream[len + 3] = 0x60;
			len += n;
			block_free(p);
		}
	read_all(&outcome, OP_REQ_WATCH, stream, len, piece);
	CHECK_INT(outcome.end, REPLY_MORE);
	for (size_t i = 0; i < 3 * LENGTH(names); i++)
		at += list_is(&outcome, &event, stream + at);
	CHECK_INT(at, len);
	CHECK_INT(event, outcome.events);
}

static void watched_lists(void)
{
	watched(WHOLE);
	watched(BYTE_WISE);
	for (int i = 0; i < 100; i++)
		watched(RANDOM);
}

/* The mark counts in the first record of a list, or behind the head of an empty one, however it is
 * cut; a list of a watch has none. */
static void marked(void)
{
	struct op_device device = { .path = "/sys/x", .busid = "1-1" };
	uint8_t p[12 + 2 * 312 + 4] = { 0 };
	struct op_interface interface = { 0 };
	uint64_t identity = 0x0102030405060708;

	for (unsigned devices = 0; devices <= 2; devices++)
		for (unsigned where = 0; where < 3; where++) { /* nowhere, first, second */
			size_t len = 12, mark = where < 2 ? 12 : 12 + 316 - 240;
			struct reply *reply;

			op_devlist_head_encode(p, 12, OP_REP_DEVLIST, devices);
			for (unsigned i = 0; i < devices; i++) {
				device.interfaces = !i;
				len += (size_t)op_record_encode(p + len, 316, &device, &interface);
			}
			if (!devices)
				memset(p + 12, 0, 16);
			if (where == 1)
				len = op_devlist_mark(p, len, identity);
			else if (where == 2 && devices == 2)
				op_devlist_mark(p + mark - 12 + 240, 312, identity);
			for (size_t piece = 1; piece < len; piece++) {
				reply = new_reader(OP_REQ_DEVLIST);
				feed(reply, &outcome, OP_REQ_DEVLIST, p, len, piece);
				CHECK_INT(reply->marked, where == 1);
				CHECK(reply->identity == (where == 1 ? identity : 0));
				CHECK_INT(outcome.events, devices + (devices || where == 1));
				CHECK_INT(reply_is_empty_list(reply), !devices && where != 1);
				reply_start(reply, OP_REQ_DEVLIST);
				CHECK(!reply->marked && !reply->identity);
				free(reply);
			}
			reply = new_reader(OP_REQ_DEVLIST);
			CHECK(!reply_is_empty_list(reply));
			feed(reply, &outcome, OP_REQ_DEVLIST, p, len - 1, WHOLE);
			CHECK_INT(reply_is_empty_list(reply), !devices && where == 1);
			free(reply);
			reply = new_reader(OP_REQ_WATCH);
			p[3] = OP_REP_WATCH;
			feed(reply, &outcome, OP_REQ_WATCH, p, len, WHOLE);
			CHECK(!reply->marked);
			CHECK(!reply_is_empty_list(reply));
			free(reply);
		}
}

/* The second list of a watch is as good as the first, or it is a fault. */
static void watched_then_bad(void)
{
	static const uint8_t lists[] = { 1, 0x11, 0, 0x60, 0, 0, 0, 0, 0, 0, 0, 0,
					 1, 0x11, 0, 0x05, 0, 0, 0, 0, 0, 0, 0, 0 };

	read_all(&outcome, OP_REQ_WATCH, lists, sizeof(lists), WHOLE);
	CHECK_INT(outcome.events, 1);
	CHECK_INT(outcome.end, -EBADMSG);
	in_pieces(OP_REQ_WATCH, lists, sizeof(lists));
}

/* As many devices as may be, each with as many interfaces as fit. */
static void longest_list(void)
{
	static uint8_t p[12 + OP_DEVLIST_MAX * OP_RECORD_MAX];
	struct op_device device = { .path = "/sys/x", .speed = 3, .interfaces = 255 };
	static const struct op_interface interface[OP_INTERFACES_MAX] = { { 8, 6, 80 } };
	size_t at = 12;
	unsigned event = 0;

	CHECK_INT(op_devlist_head_encode(p, 12, OP_REP_DEVLIST, OP_DEVLIST_MAX), 12);
	for (int i = 0; i < OP_DEVLIST_MAX; i++, at += OP_RECORD_MAX) {
		snprintf(device.busid, sizeof(device.busid), "%d-1", i + 1);
		CHECK_INT(op_record_encode(p + at, OP_RECORD_MAX, &device, interface),
			  OP_RECORD_MAX);
	}
	read_all(&outcome, OP_REQ_DEVLIST, p, at, WHOLE);
	CHECK_INT(list_is(&outcome, &event, p), at);
	read_all(&other, OP_REQ_DEVLIST, p, at, 777);
	CHECK(same(&outcome, &other));
}

/* What is behind an import's reply stays where it is: the reader has asked for 8 and for 312. */
static void import_asks_for_its_own(void)
{
	struct reply *reply = new_reader(OP_REQ_IMPORT);
	size_t size, len;
	uint8_t *p = hex_read(FIXTURES "packets/rep_import_ok.hex", &len, NULL);

	reply_room(reply, &size);
	CHECK_INT(size, 8);
	feed(reply, &outcome, OP_REQ_IMPORT, p, 3, WHOLE);
	reply_room(reply, &size);
	CHECK_INT(size, 5);
	CHECK_INT(outcome.end, REPLY_MORE);
	reply_start(reply, OP_REQ_IMPORT);
	feed(reply, &outcome, OP_REQ_IMPORT, p, 8, WHOLE);
	reply_room(reply, &size);
	CHECK_INT(size, 312);
	CHECK_INT(outcome.end, REPLY_MORE);
	free(reply);
	block_free(p);
}

/* Nothing of an old reply is left in a new one. */
static void started_anew(void)
{
	struct reply *reply = new_reader(OP_REQ_DEVLIST);
	size_t list_len, import_len;
	uint8_t *list = hex_read(FIXTURES "packets/rep_devlist_several.hex", &list_len, NULL);
	uint8_t *import = hex_read(FIXTURES "packets/rep_import_ok.hex", &import_len, NULL);

	for (size_t cut = 1; cut < list_len; cut += 37) {
		reply_start(reply, OP_REQ_DEVLIST);
		feed(reply, &outcome, OP_REQ_DEVLIST, list, cut, WHOLE);
		reply_start(reply, OP_REQ_IMPORT);
		feed(reply, &outcome, OP_REQ_IMPORT, import, import_len, WHOLE);
		import_is(&outcome, import);
		reply_start(reply, OP_REQ_IMPORT);
		feed(reply, &outcome, OP_REQ_IMPORT, import, cut % import_len, WHOLE);
		reply_start(reply, OP_REQ_DEVLIST);
		feed(reply, &outcome, OP_REQ_DEVLIST, list, list_len, 100);
		CHECK_INT(outcome.events, raw(list + 8, 4) + 1);
	}
	free(reply);
	block_free(list);
	block_free(import);
}

int main(void)
{
	each_file(FIXTURES "packets", ".hex", packet);
	RUN("t_reply: all packets were there", packets_are_there);
	each_file(FIXTURES "hostile", ".hex", hostile);
	RUN("t_reply: another reply than was asked for", another_reply);
	RUN("t_reply: the lists of a watch", watched_lists);
	RUN("t_reply: a watch whose second list is bad", watched_then_bad);
	RUN("t_reply: the mark of our servers", marked);
	RUN("t_reply: the longest list", longest_list);
	RUN("t_reply: an import asks for no byte of the kernel's", import_asks_for_its_own);
	RUN("t_reply: started anew", started_anew);
	return check_status();
}

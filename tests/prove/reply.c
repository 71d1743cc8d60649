/* SPDX-License-Identifier: MIT */
/*
 * client/reply: one call in any state it can be in. A state is right when used <= len <= the size
 * of buf (for an import: <= that of its reply); each call is shown to leave a right one.
 *
 * reply_next() sees the buffer only as len - used bytes from buf + used, so two rows of states
 * stand for all: every number of bytes at the buffer's begin, and at its end. One state is left out
 * of reply_room()'s, used = len = the whole buffer: to move no byte from behind the end is right in
 * C, but not in Frama-C's contract of memmove().
 * SOURCES: client/reply.c proto/op.c proto/urb.c proto/urb_query.c proto/wire.c proto/usb.c lib/str.c sysfs/device.c
 * EVA: -eva-precision 2 -eva-slevel 10000 -eva-split-limit 10000 -eva-split-return full
 * EVA: -eva-slevel-function busid_is_name:0,str_is_plain:0
 * EVA: -eva-partition-history 1 -eva-interprocedural-history -eva-unroll-recursive-calls 2
 */
#include "client/reply.h"

#include "tests/prove/prove.h"

#include <errno.h>

enum {
	BUF = sizeof(((struct reply *)0)->buf),
	SOME = 20,
};

static struct reply reply;
static struct reply_item item;

static void any_reply(enum op_code code, bool in_list, size_t used, size_t left)
{
	any_bytes(reply.buf, sizeof(reply.buf));
	reply.code = code;
	reply.in_list = in_list;
	reply.records = (uint32_t)any_size(0, OP_DEVLIST_MAX);
	reply.mark_due = any_int(0, 1);
	reply.used = used;
	reply.len = used + left;
}

/* One event, or one fault; the state is right after it. */
static void next(size_t end)
{
	size_t left = reply.len - reply.used;
	int event = reply_next(&reply, &item);

	/*@ assert result: 0 <= event <= REPLY_IMPORT || event == -EPROTONOSUPPORT ||
	        event == -EBADMSG || event == -EREMOTEIO || event == -EMSGSIZE ||
	        event == -EILSEQ; */
	/*@ assert right: reply.used <= reply.len <= end; */
	/*@ assert records: reply.records <= OP_DEVLIST_MAX || event == -EMSGSIZE; */
	/*@ assert progress: event == REPLY_MORE ==> reply.len - reply.used < OP_RECORD_MAX; */
	/*@ assert none_twice: reply.len - reply.used <= left; */
}

static enum op_code any_list(void)
{
	return any_int(0, 1) ? OP_REP_DEVLIST : OP_REP_WATCH;
}

void prove_reply_start(void)
{
	enum op_code list = any_int(0, 1) ? OP_REQ_DEVLIST : OP_REQ_WATCH;

	any_bytes(&reply, sizeof(reply));
	reply_start(&reply, any_int(0, 1) ? list : OP_REQ_IMPORT);
	/*@ assert right: reply.used == 0 && reply.len == 0 && reply.in_list == 0 &&
	        reply.mark_due == 0 && reply.marked == 0; */
	/*@ assert code: reply.code == OP_REP_DEVLIST || reply.code == OP_REP_WATCH ||
	        reply.code == OP_REP_IMPORT; */
	END();
}

void prove_reply_next_import(void)
{
	size_t left = any_size(0, OP_REP_IMPORT_SIZE);
	int at_end = any_int(0, 1);

	/*@ split left; */
	/*@ split at_end; */
	any_reply(OP_REP_IMPORT, false, at_end ? OP_REP_IMPORT_SIZE - left : 0, left);
	next(OP_REP_IMPORT_SIZE);
	END();
}

/* Before the head, and behind it: it may be followed by a part of a record. */
void prove_reply_next_head(void)
{
	size_t left = any_size(0, OP_DEVLIST_HEAD_SIZE + 2);
	int at_end = any_int(0, 1);

	/*@ split left; */
	/*@ split at_end; */
	any_reply(any_list(), false, at_end ? BUF - left : 0, left);
	next(BUF);
	END();
}

/* Whatever number of interfaces the record states. */
void prove_reply_next_record(void)
{
	size_t left = any_size(OP_DEVICE_SIZE - 1, OP_DEVICE_SIZE + 2 * OP_INTERFACE_SIZE);
	size_t few = any_size(0, 3), stated = few < 3 ? few : any_size(few, OP_INTERFACES_MAX);
	int at_end = any_int(0, 1);

	/*@ split left; */
	/*@ split few; */
	/*@ split at_end; */
	any_reply(OP_REP_DEVLIST, true, at_end ? BUF - left : 0, left);
	if (left >= OP_DEVICE_SIZE)
		reply.buf[reply.used + OP_DEVICE_SIZE - 1] = (uint8_t)stated;
	next(BUF);
	END();
}

void prove_reply_next_record_longest(void)
{
	any_reply(OP_REP_WATCH, true, BUF - OP_RECORD_MAX, OP_RECORD_MAX);
	next(BUF);
	END();
}

/* Numbers that lie at the ends of the buffer, and of a record. */
static size_t any_edge(void)
{
	switch (any_int(0, 2)) {
	case 0:
		return any_size(0, SOME);
	case 1:
		return any_size(OP_RECORD_MAX - 1, OP_RECORD_MAX + 1);
	default:
		return any_size(BUF - SOME, BUF - 1);
	}
}

/* Every len that may go with it: nothing outside is touched. */
void prove_reply_room(void)
{
	size_t used = any_edge(), size;

	/*@ split used; */
	any_reply(any_int(0, 1) ? OP_REP_IMPORT : any_list(), any_int(0, 1), used, 0);
	reply.len = any_size(used, BUF);
	reply_room(&reply, &size);
	/*@ assert used: reply.used == 0; */
	/*@ assert len: reply.len <= BUF - used; */
	END();
}

/* And what it gives ends with the buffer. */
void prove_reply_room_size(void)
{
	size_t used = any_edge(), size;
	uint8_t *room;

	/*@ split used; */
	any_reply(any_list(), any_int(0, 1), used, BUF - used);
	room = reply_room(&reply, &size);
	/*@ assert begin: room == &reply.buf[0] + reply.len; */
	/*@ assert end: reply.len == BUF - used && size == used; */
	END();
}

/* A refusal is 8 bytes long: nothing behind it may be asked for before these are known. */
void prove_reply_room_import(void)
{
	size_t left = any_size(0, OP_REP_IMPORT_SIZE), size;

	/*@ split left; */
	any_reply(OP_REP_IMPORT, false, 0, left);
	reply_room(&reply, &size);
	/*@ assert head: left < OP_COMMON_SIZE ==> size == OP_COMMON_SIZE - left; */
	/*@ assert rest: left >= OP_COMMON_SIZE ==> size == OP_REP_IMPORT_SIZE - left; */
	END();
}

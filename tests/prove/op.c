/* SPDX-License-Identifier: MIT */
/*
 * proto/op: every decoder on any bytes, in a block that ends with them, and every encoder on any
 * values: of the lengths and into the sizes that are in README.md.
 * SOURCES: proto/op.c proto/wire.c proto/usb.c
 * EVA: -eva-precision 2 -eva-slevel 10000 -eva-split-limit 10000 -eva-split-return full -eva-partition-history 1 -eva-interprocedural-history
 * EVA: -eva-slevel-function busid_is_name:0,is_name_character:0
 */
#include "proto/op.h"

#include "tests/prove/prove.h"

#include <errno.h>

/* SPARE: so much longer than a message; RECORD_INTERFACES: in records of every length. */
enum { SPARE = 8, RECORD_INTERFACES = 4 };

static uint8_t block[OP_RECORD_MAX + SPARE];

/* The last len bytes of the block, any. */
static uint8_t *any_message(size_t len)
{
	any_bytes(block, sizeof(block));
	return block + sizeof(block) - len;
}

void prove_op_request_decode(void)
{
	size_t len = any_size(0, OP_REQ_IMPORT_SIZE + SPARE);
	struct op_request request;
	int n;

	/*@ split len; */
	n = op_request_decode(any_message(len), len, &request);

	/*@ assert result: n == 0 || n == OP_COMMON_SIZE || n == OP_REQ_IMPORT_SIZE ||
	        n == -EPROTONOSUPPORT || n == -ENOSYS || n == -EILSEQ; */
	/*@ assert bound: n <= len; */
	/*@ assert incomplete: n == 0 ==> len < OP_REQ_IMPORT_SIZE; */
	/*@ assert early: n == -EILSEQ ==> len >= OP_REQ_IMPORT_SIZE; */
	if (n > 0) {
		/*@ assert code: request.code == OP_REQ_DEVLIST || request.code == OP_REQ_WATCH ||
		        request.code == OP_REQ_IMPORT; */
		/*@ assert string: request.busid[BUSID_SIZE - 1] == 0; */
	}
	END();
}

void prove_op_call_decode(void)
{
	size_t len = any_size(0, OP_CALL_SIZE + SPARE);
	char identity[OP_IDENTITY_SIZE];
	int n;

	/*@ split len; */
	n = op_call_decode(any_message(len), len, identity);

	/*@ assert result: n == 0 || n == OP_CALL_SIZE || n == -EPROTONOSUPPORT || n == -ENOSYS; */
	/*@ assert bound: n <= len; */
	/*@ assert incomplete: n == 0 ==> len < OP_CALL_SIZE; */
	if (n > 0) {
		/*@ assert string: identity[OP_IDENTITY_SIZE - 1] == 0; */
	}
	END();
}

void prove_op_devlist_head_decode(void)
{
	size_t len = any_size(0, OP_DEVLIST_HEAD_SIZE + SPARE);
	enum op_code code = any_int(0, 1) ? OP_REP_DEVLIST : OP_REP_WATCH;
	uint32_t devices;
	int n;

	/*@ split len; */
	n = op_devlist_head_decode(any_message(len), len, code, &devices);

	/*@ assert result: n == 0 || n == OP_DEVLIST_HEAD_SIZE || n == -EPROTONOSUPPORT ||
	        n == -EBADMSG || n == -EREMOTEIO || n == -EMSGSIZE; */
	/*@ assert bound: n <= len; */
	/*@ assert incomplete: n == 0 ==> len < OP_DEVLIST_HEAD_SIZE; */
	if (n > 0) {
		/*@ assert count: devices <= OP_DEVLIST_MAX; */
	}
	END();
}

/* What a decoded device is like. */
static void check_device(const struct op_device *d)
{
	/*@ assert whole: \initialized(&d->busid[0 .. BUSID_SIZE - 1]) &&
	        \initialized(&d->path[0 .. OP_PATH_SIZE - 1]) && \initialized(&d->busnum) &&
	        \initialized(&d->devnum) && \initialized(&d->speed) && \initialized(&d->vendor) &&
	        \initialized(&d->product) && \initialized(&d->bcd_device) &&
	        \initialized(&d->class) && \initialized(&d->subclass) &&
	        \initialized(&d->protocol) && \initialized(&d->configuration) &&
	        \initialized(&d->configurations) && \initialized(&d->interfaces); */
	/*@ assert strings: d->path[OP_PATH_SIZE - 1] == 0 && d->busid[BUSID_SIZE - 1] == 0; */
}

void prove_op_rep_import_decode(void)
{
	size_t len = any_size(0, OP_REP_IMPORT_SIZE + SPARE);
	struct op_device device;
	uint32_t status;
	int n;

	/*@ split len; */
	n = op_rep_import_decode(any_message(len), len, &status, &device);

	/*@ assert result: n == 0 || n == OP_COMMON_SIZE || n == OP_REP_IMPORT_SIZE ||
	        n == -EPROTONOSUPPORT || n == -EBADMSG || n == -EILSEQ; */
	/*@ assert bound: n <= len; */
	/*@ assert incomplete: n == 0 ==> len < OP_REP_IMPORT_SIZE; */
	/*@ assert early: n == -EILSEQ ==> len >= OP_REP_IMPORT_SIZE; */
	if (n == OP_REP_IMPORT_SIZE)
		check_device(&device);
	END();
}

static struct op_interface interface[OP_INTERFACES_MAX];

static void record_decode(size_t len, size_t stated)
{
	uint8_t *message = any_message(len);
	struct op_device device;
	int n;

	if (len >= OP_DEVICE_SIZE)
		message[OP_DEVICE_SIZE - 1] = (uint8_t)stated;
	n = op_record_decode(message, len, &device, interface);

	/*@ assert result: n == 0 || OP_DEVICE_SIZE <= n <= OP_RECORD_MAX; */
	/*@ assert bound: n <= len; */
	/*@ assert incomplete: n == 0 ==> len < OP_RECORD_MAX; */
	if (n > 0) {
		/*@ assert aligned: (n - OP_DEVICE_SIZE) % OP_INTERFACE_SIZE == 0; */
		check_device(&device);
	}
}

/* Any record of every length up to that of one with some interfaces, whatever number it states. */
void prove_op_record_decode(void)
{
	size_t len = any_size(0, OP_DEVICE_SIZE + RECORD_INTERFACES * OP_INTERFACE_SIZE + SPARE);
	size_t few = any_size(0, 2 * RECORD_INTERFACES);
	size_t stated = few < 2 * RECORD_INTERFACES ? few : any_size(few, OP_INTERFACES_MAX);

	/*@ split len; */
	/*@ split few; */
	record_decode(len, stated);
	END();
}

/* The longest record there is, one byte less, and more than it. */
void prove_op_record_decode_longest(void)
{
	size_t len = any_size(OP_RECORD_MAX - 1, OP_RECORD_MAX + 1);

	/*@ split len; */
	record_decode(len, any_size(0, OP_INTERFACES_MAX));
	END();
}

void prove_op_request_encode(void)
{
	size_t size = any_size(0, OP_REQ_IMPORT_SIZE + SPARE);
	struct op_request request;
	int n;

	any_bytes(&request, sizeof(request));
	/*@ split size; */
	n = op_request_encode(any_message(size), size, &request);

	/*@ assert result: n == OP_COMMON_SIZE || n == OP_REQ_IMPORT_SIZE || n == -ENOSPC; */
	/*@ assert space: n <= size; */
	END();
}

void prove_op_devlist_head_encode(void)
{
	size_t size = any_size(0, OP_DEVLIST_HEAD_SIZE + SPARE);
	enum op_code code = any_int(0, 1) ? OP_REP_DEVLIST : OP_REP_WATCH;
	uint32_t devices = (uint32_t)any_size(0, UINT32_MAX);
	int n;

	/*@ split size; */
	n = op_devlist_head_encode(any_message(size), size, code, devices);

	/*@ assert result: n == OP_DEVLIST_HEAD_SIZE || n == -ENOSPC; */
	/*@ assert space: n == -ENOSPC <==> size < OP_DEVLIST_HEAD_SIZE; */
	END();
}

void prove_op_rep_import_encode(void)
{
	size_t size = any_size(0, OP_REP_IMPORT_SIZE + SPARE);
	uint32_t status = (uint32_t)any_size(0, UINT32_MAX);
	struct op_device device;
	int n;

	any_bytes(&device, sizeof(device));
	/*@ split size; */
	n = op_rep_import_encode(any_message(size), size, status, &device);

	/*@ assert result: n == OP_COMMON_SIZE || n == OP_REP_IMPORT_SIZE || n == -ENOSPC; */
	/*@ assert space: n <= size; */
	END();
}

static void record_encode(size_t size)
{
	struct op_device device;

	any_bytes(&device, sizeof(device));
	any_bytes(interface, sizeof(interface));
	int n = op_record_encode(any_message(size), size, &device, interface);

	/*@ assert result: n == -ENOSPC || OP_DEVICE_SIZE <= n <= OP_RECORD_MAX; */
	/*@ assert space: n <= size; */
}

/* About the ends of the strings and of the device. */
static size_t any_edge(void)
{
	switch (any_int(0, 2)) {
	case 0:
		return any_size(0, 1);
	case 1:
		return any_size(OP_PATH_SIZE - 1, OP_PATH_SIZE + 1);
	default:
		return any_size(OP_PATH_SIZE + BUSID_SIZE - 1, OP_DEVICE_SIZE + OP_INTERFACE_SIZE + 1);
	}
}

void prove_op_record_encode(void)
{
	size_t size = any_edge();

	/*@ split size; */
	record_encode(size);
	END();
}

void prove_op_record_encode_longest(void)
{
	size_t size = any_size(OP_RECORD_MAX - 1, OP_RECORD_MAX);

	/*@ split size; */
	record_encode(size);
	END();
}

void prove_op_texts(void)
{
	const char *text = op_strerror(any_int(INT32_MIN, INT32_MAX));

	/*@ assert error: \valid_read(text) && text[0] != 0; */
	text = op_status_text((uint32_t)any_size(0, UINT32_MAX));
	/*@ assert status: \valid_read(text) && text[0] != 0; */
	END();
}

/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: every decoder of proto/op. A decoder reads no byte behind its message, and its result is
 * encoded to bytes that decode to the same.
 */
#include "proto/op.h"
#include "proto/usb.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

/* Complete within size, incomplete, or one of the errors that op_strerror() knows. */
static void result_is_sane(int n, size_t size)
{
	HOLDS(n <= 0 || (size_t)n <= size);
	HOLDS(n >= 0 || n == -EPROTONOSUPPORT || n == -ENOSYS || n == -EILSEQ || n == -EBADMSG ||
	      n == -EREMOTEIO || n == -EMSGSIZE);
	HOLDS(*op_strerror(n));
}

static void device_is_sane(const struct op_device *d)
{
	HOLDS(memchr(d->path, 0, sizeof(d->path)));
	HOLDS(memchr(d->busid, 0, sizeof(d->busid)));
	HOLDS(busid_is_name(d->busid) || !d->busid[0]);
	HOLDS(*usb_class_text(d->class));
	HOLDS(usb_speed_mbits(d->speed) <= 10000);
}

static void request(const uint8_t *data, size_t size)
{
	struct op_request a, b;
	uint8_t back[OP_REQ_IMPORT_SIZE];
	int n = op_request_decode(data, size, &a);

	result_is_sane(n, size);
	HOLDS(n != 0 || size < OP_REQ_IMPORT_SIZE);
	if (n <= 0)
		return;
	HOLDS(a.code == OP_REQ_IMPORT ? busid_is_name(a.busid) : !a.busid[0]);
	HOLDS(op_request_encode(back, (size_t)n, &a) == n);
	HOLDS(op_request_encode(back, (size_t)n - 1, &a) == -ENOSPC);
	HOLDS(op_request_decode(back, (size_t)n, &b) == n);
	HOLDS(!memcmp(&a, &b, sizeof(a)));
}

static void call(const uint8_t *data, size_t size)
{
	char a[OP_IDENTITY_SIZE], b[OP_IDENTITY_SIZE];
	uint8_t back[OP_CALL_SIZE];
	int n = op_call_decode(data, size, a);

	result_is_sane(n, size);
	HOLDS(n != 0 || size < OP_CALL_SIZE);
	if (n <= 0)
		return;
	HOLDS(memchr(a, 0, sizeof(a)));
	HOLDS(op_call_encode(back, sizeof(back), a) == n);
	HOLDS(op_call_decode(back, sizeof(back), b) == n);
	HOLDS(!memcmp(a, b, sizeof(a)));
}

static void rep_import(const uint8_t *data, size_t size)
{
	struct op_device a, b;
	uint8_t back[OP_REP_IMPORT_SIZE];
	uint32_t status, again;
	int n;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	n = op_rep_import_decode(data, size, &status, &a);
	result_is_sane(n, size);
	HOLDS(n != 0 || size < OP_REP_IMPORT_SIZE);
	if (n <= 0)
		return;
	if (status == OP_OK)
		device_is_sane(&a);
	HOLDS(n == (status == OP_OK ? OP_REP_IMPORT_SIZE : OP_COMMON_SIZE));
	HOLDS(op_rep_import_encode(back, (size_t)n, status, &a) == n);
	HOLDS(op_rep_import_encode(back, (size_t)n - 1, status, &a) == -ENOSPC);
	HOLDS(op_rep_import_encode(back, (size_t)n, status, &a) == n);
	HOLDS(op_rep_import_decode(back, (size_t)n, &again, &b) == n);
	HOLDS(status == again && !memcmp(&a, &b, sizeof(a)));
	HOLDS(*op_status_text(status));
}

static int record(const uint8_t *data, size_t size)
{
	static struct op_interface ia[OP_INTERFACES_MAX], ib[OP_INTERFACES_MAX];
	static struct op_device a, b;
	static uint8_t back[OP_RECORD_MAX];
	int n = op_record_decode(data, size, &a, ia);

	result_is_sane(n, size);
	HOLDS(n != 0 || size < OP_RECORD_MAX);
	if (n <= 0)
		return n;
	device_is_sane(&a);
	HOLDS(n == OP_DEVICE_SIZE + a.interfaces * OP_INTERFACE_SIZE);
	HOLDS(op_record_encode(back, (size_t)n - 1, &a, ia) == -ENOSPC);
	HOLDS(op_record_encode(back, (size_t)n, &a, ia) == n);
	HOLDS(op_record_decode(back, (size_t)n, &b, ib) == n);
	HOLDS(!memcmp(&a, &b, sizeof(a)));
	HOLDS(!memcmp(ia, ib, a.interfaces * sizeof(*ia)));
	return n;
}

static void list(const uint8_t *data, size_t size, enum op_code code)
{
	uint32_t devices;
	int n = op_devlist_head_decode(data, size, code, &devices);

	result_is_sane(n, size);
	HOLDS(n != 0 || size < OP_DEVLIST_HEAD_SIZE);
	if (n <= 0)
		return;
	HOLDS(devices <= OP_DEVLIST_MAX);
	for (; devices && n > 0; devices--) {
		data += n;
		size -= (size_t)n;
		n = record(data, size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	request(data, size);
	call(data, size);
	rep_import(data, size);
	record(data, size);
	list(data, size, OP_REP_DEVLIST);
	list(data, size, OP_REP_WATCH);
	return 0;
}

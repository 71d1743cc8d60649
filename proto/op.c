/* SPDX-License-Identifier: MIT */
/* The control messages of USB/IP, device list and import, to bytes and back. */
#include "proto/op.h"

#include "proto/wire.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define TEXT_OF(number) TEXT(number)
#define TEXT(number) #number

#define MARK "\0usbiphp" /* without the terminator: the identity follows */
enum { IDENTITY_AT = OP_MARK_SIZE - sizeof(uint64_t) };

static_assert(OP_REQ_IMPORT_SIZE == 40 && OP_REP_IMPORT_SIZE == 320 && OP_DEVLIST_HEAD_SIZE == 12,
	      "sizes of the protocol document");
static_assert(OP_PATH_SIZE + BUSID_SIZE + 3 * 4 + 3 * 2 + 6 == OP_DEVICE_SIZE,
	      "the fields of a device record");
static_assert(sizeof(MARK) - 1 == IDENTITY_AT, "the fields of a mark");

/* The result of every encoder. */
static int encoded_length(const struct wire_out *out, const uint8_t *buf)
{
	return out->bad ? -ENOSPC : (int)(out->p - buf);
}

/* Returns whether the busid is valid. */
static bool get_device(struct wire_in *in, struct op_device *d)
{
	wire_get_string(in, d->path, sizeof(d->path));
	wire_get_string(in, d->busid, sizeof(d->busid));
	d->busnum = wire_get(in, 4);
	d->devnum = wire_get(in, 4);
	d->speed = wire_get(in, 4);
	d->vendor = (uint16_t)wire_get(in, 2);
	d->product = (uint16_t)wire_get(in, 2);
	d->bcd_device = (uint16_t)wire_get(in, 2);
	d->class = (uint8_t)wire_get(in, 1);
	d->subclass = (uint8_t)wire_get(in, 1);
	d->protocol = (uint8_t)wire_get(in, 1);
	d->configuration = (uint8_t)wire_get(in, 1);
	d->configurations = (uint8_t)wire_get(in, 1);
	d->interfaces = (uint8_t)wire_get(in, 1);
	return busid_is_name(d->busid);
}

static void put_device(struct wire_out *out, const struct op_device *d)
{
	/* cppcheck-suppress ctunullpointer ; not called for a refusal, which has no device */
	wire_put_string(out, d->path, sizeof(d->path));
	wire_put_string(out, d->busid, sizeof(d->busid));
	wire_put(out, d->busnum, 4);
	wire_put(out, d->devnum, 4);
	wire_put(out, d->speed, 4);
	wire_put(out, d->vendor, 2);
	wire_put(out, d->product, 2);
	wire_put(out, d->bcd_device, 2);
	wire_put(out, d->class, 1);
	wire_put(out, d->subclass, 1);
	wire_put(out, d->protocol, 1);
	wire_put(out, d->configuration, 1);
	wire_put(out, d->configurations, 1);
	wire_put(out, d->interfaces, 1);
}

/* The header of every message; the status of a request is ignored. */
static int get_common(struct wire_in *in, uint16_t *code, uint32_t *status)
{
	uint16_t version = (uint16_t)wire_get(in, 2);

	*code = (uint16_t)wire_get(in, 2);
	*status = wire_get(in, 4);
	if (in->bad)
		return 0;
	return version == OP_VERSION ? OP_COMMON_SIZE : -EPROTONOSUPPORT;
}

static void put_common(struct wire_out *out, uint16_t code, uint32_t status)
{
	wire_put(out, OP_VERSION, 2);
	wire_put(out, code, 2);
	wire_put(out, status, 4);
}

int op_request_decode(const uint8_t *buf, size_t len, struct op_request *request)
{
	struct wire_in in = { buf, len, false };
	uint32_t status;
	uint16_t code;
	int n = get_common(&in, &code, &status);

	if (n <= 0)
		return n;
	if (code != OP_REQ_DEVLIST && code != OP_REQ_WATCH && code != OP_REQ_IMPORT)
		return -ENOSYS;
	memset(request, 0, sizeof(*request));
	request->code = code;
	if (code != OP_REQ_IMPORT)
		return n;
	if (len < OP_REQ_IMPORT_SIZE)
		return 0;
	wire_get_string(&in, request->busid, sizeof(request->busid));
	return busid_is_name(request->busid) ? OP_REQ_IMPORT_SIZE : -EILSEQ;
}

int op_request_encode(uint8_t *buf, size_t size, const struct op_request *request)
{
	struct wire_out out = { buf, size, false };

	put_common(&out, (uint16_t)request->code, 0);
	if (request->code == OP_REQ_IMPORT)
		wire_put_string(&out, request->busid, sizeof(request->busid));
	return encoded_length(&out, buf);
}

int op_call_decode(const uint8_t *buf, size_t len, char *identity)
{
	struct wire_in in = { buf, len, false };
	uint32_t status;
	uint16_t code;
	int n = get_common(&in, &code, &status);

	if (n <= 0)
		return n;
	if (code != OP_CALL)
		return -ENOSYS;
	if (len < OP_CALL_SIZE)
		return 0;
	wire_get_string(&in, identity, OP_IDENTITY_SIZE);
	return OP_CALL_SIZE;
}

int op_call_encode(uint8_t *buf, size_t size, const char *identity)
{
	struct wire_out out = { buf, size, false };

	put_common(&out, OP_CALL, 0);
	wire_put_string(&out, identity, OP_IDENTITY_SIZE);
	return encoded_length(&out, buf);
}

int op_devlist_head_decode(const uint8_t *buf, size_t len, enum op_code code, uint32_t *devices)
{
	struct wire_in in = { buf, len, false };
	uint32_t status;
	uint16_t got;
	int n = get_common(&in, &got, &status);

	if (n <= 0)
		return n;
	if (got != code)
		return -EBADMSG;
	if (status != OP_OK)
		return -EREMOTEIO;
	if (len < OP_DEVLIST_HEAD_SIZE)
		return 0;
	*devices = wire_get(&in, 4);
	return *devices > OP_DEVLIST_MAX ? -EMSGSIZE : OP_DEVLIST_HEAD_SIZE;
}

int op_devlist_head_encode(uint8_t *buf, size_t size, enum op_code code, uint32_t devices)
{
	struct wire_out out = { buf, size, false };

	put_common(&out, (uint16_t)code, OP_OK);
	wire_put(&out, devices, 4);
	return encoded_length(&out, buf);
}

size_t op_devlist_mark(uint8_t *list, size_t len, uint64_t identity)
{
	uint8_t *mark = list + OP_DEVLIST_HEAD_SIZE;

	if (len > OP_DEVLIST_HEAD_SIZE)
		mark += OP_MARK_AT;
	else
		len += OP_MARK_SIZE;
	memcpy(mark, MARK, IDENTITY_AT);
	memcpy(mark + IDENTITY_AT, &identity, sizeof(identity));
	return len;
}

bool op_mark_decode(const uint8_t *mark, uint64_t *identity)
{
	bool is_mark = !memcmp(mark, MARK, IDENTITY_AT);

	if (is_mark)
		memcpy(identity, mark + IDENTITY_AT, sizeof(*identity));
	return is_mark;
}

int op_record_decode(const uint8_t *buf, size_t len, struct op_device *device,
		     struct op_interface *interface)
{
	struct wire_in in = { buf, len, false };

	if (len < OP_DEVICE_SIZE)
		return 0;
	if (!get_device(&in, device))
		memset(device->busid, 0, sizeof(device->busid));
	if (in.left < (size_t)device->interfaces * OP_INTERFACE_SIZE)
		return 0;
	for (unsigned i = 0; i < device->interfaces; i++) {
		interface[i].class = (uint8_t)wire_get(&in, 1);
		interface[i].subclass = (uint8_t)wire_get(&in, 1);
		interface[i].protocol = (uint8_t)wire_get(&in, 1);
		wire_skip(&in, 1);
	}
	return (int)(len - in.left);
}

int op_record_encode(uint8_t *buf, size_t size, const struct op_device *device,
		     const struct op_interface *interface)
{
	struct wire_out out = { buf, size, false };

	put_device(&out, device);
	for (unsigned i = 0; i < device->interfaces; i++) {
		wire_put(&out, interface[i].class, 1);
		wire_put(&out, interface[i].subclass, 1);
		wire_put(&out, interface[i].protocol, 1);
		wire_put(&out, 0, 1);
	}
	return encoded_length(&out, buf);
}

int op_rep_import_decode(const uint8_t *buf, size_t len, uint32_t *status, struct op_device *device)
{
	struct wire_in in = { buf, len, false };
	uint16_t code;
	int n = get_common(&in, &code, status);

	if (n <= 0)
		return n;
	if (code != OP_REP_IMPORT)
		return -EBADMSG;
	if (*status != OP_OK)
		return n;
	if (len < OP_REP_IMPORT_SIZE)
		return 0;
	return get_device(&in, device) ? OP_REP_IMPORT_SIZE : -EILSEQ;
}

int op_rep_import_encode(uint8_t *buf, size_t size, uint32_t status, const struct op_device *device)
{
	struct wire_out out = { buf, size, false };

	put_common(&out, OP_REP_IMPORT, status);
	if (status == OP_OK)
		put_device(&out, device);
	return encoded_length(&out, buf);
}

const char *op_strerror(int error)
{
	switch (error) {
	case -EPROTONOSUPPORT:
		return "it does not speak USB/IP 1.1.1";
	case -EMSGSIZE:
		return "it lists more than " TEXT_OF(OP_DEVLIST_MAX) " devices";
	case -EILSEQ:
		return "it sent a device record with an invalid bus id";
	case -EREMOTEIO:
		return "it refused the request";
	default:
		return "its reply is not one to this request";
	}
}

const char *op_status_text(uint32_t status)
{
	switch (status) {
	case OP_BUSY:
		return "device busy (exported)";
	case OP_DEV_ERR:
		return "device in error state";
	case OP_NODEV:
		return "device not found";
	default:
		return "request failed";
	}
}

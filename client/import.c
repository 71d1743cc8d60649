/* SPDX-License-Identifier: MIT */
/* One device of a server: its state, its entries in lists, and attempts that failed. */
#include "client/import.h"

#include "lib/log.h"
#include "lib/str.h"

#include <assert.h>
#include <string.h>

#define TO(state) (1u << IMPORT_##state)

/* The states that may follow each. */
static const uint16_t next_states[] = {
	[IMPORT_UNUSED] = TO(IDLE),
	[IMPORT_IDLE] = TO(UNUSED) | TO(FAILED) | TO(DUE) | TO(ENUMERATING) | TO(ATTACHED),
	[IMPORT_FAILED] = TO(UNUSED) | TO(IDLE) | TO(DUE),
	[IMPORT_REFUSED] = TO(UNUSED) | TO(IDLE) | TO(FAILED) | TO(DUE),
	[IMPORT_DUE] = TO(IDLE) | TO(FAILED) | TO(REQUESTING),
	[IMPORT_REQUESTING] = TO(IDLE) | TO(FAILED) | TO(REFUSED) | TO(ENUMERATING),
	[IMPORT_ENUMERATING] = TO(IDLE) | TO(FAILED) | TO(ATTACHED) | TO(CLOSING) | TO(DETACHING),
	[IMPORT_ATTACHED] = TO(IDLE) | TO(FAILED) | TO(CLOSING) | TO(DETACHING),
	[IMPORT_CLOSING] = TO(IDLE) | TO(FAILED) | TO(DETACHING),
	[IMPORT_DETACHING] = TO(IDLE) | TO(FAILED),
};

static bool state_has_port(enum import_state state)
{
	return state == IMPORT_ENUMERATING || state == IMPORT_ATTACHED ||
	       state == IMPORT_CLOSING || state == IMPORT_DETACHING;
}

const char *import_state_text(enum import_state state)
{
	static const char *const text[] = {
		"unused", "idle", "failed", "refused", "due", "requesting", "enumerating",
		"attached", "closing", "detaching",
	};

	return text[state];
}

void import_set_state(struct import *import, enum import_state state)
{
	if (state == import->state)
		return;
	assert(next_states[import->state] & 1u << state);
	assert(state_has_port(state) ? import->port >= 0 : import->port < 0);
	log_debug("%s: %s, was %s", import_name(import).text, import_state_text(state),
		  import_state_text(import->state));
	import->state = state;
}

bool import_has_port(const struct import *import)
{
	return state_has_port(import->state);
}

bool import_is_resting(const struct import *import)
{
	return import->state == IMPORT_IDLE || import->state == IMPORT_FAILED ||
	       import->state == IMPORT_REFUSED || import->state == IMPORT_DUE;
}

bool import_is_pending(const struct import *import)
{
	return import->state == IMPORT_DUE || import->state == IMPORT_REQUESTING ||
	       (import_has_port(import) && !import->answered_at);
}

bool import_is_failing(const struct import *import)
{
	return log_once_active(&import->failure);
}

bool import_is_forgettable(const struct import *import)
{
	return import_is_resting(import) && !import->listed &&
	       import->context->loop->now >= import->flaps.remember;
}

void import_init(struct import *import, struct import_context *context,
		 const struct endpoint *server, const char *busid)
{
	memset(import, 0, sizeof(*import));
	import->context = context;
	import->endpoint = server;
	import->port = -1;
	session_watch_init(&import->session, context->loop);
	str_format(import->busid, sizeof(import->busid), "%s", busid);
	import->facts.busid = import->busid;
	import->facts.product_name = import->product;
	import->facts.from = server->host;
	import->facts.server = server->name;
	import_set_state(import, IMPORT_IDLE);
}

struct import_name import_name(const struct import *import)
{
	struct import_name name = { "" };

	str_format(name.text, sizeof(name.text), "%s (%04x:%04x) at %s", import->busid,
		   import->facts.vendor, import->facts.product, import->endpoint->name);
	return name;
}

void import_run_hooks(const struct import *import, const char *event, const char *device,
		      const char *reason)
{
	const struct hook_facts facts = {
		.event = event,
		.busid = import->busid,
		.vendor = import->facts.vendor,
		.product = import->facts.product,
		.server = import->endpoint->name,
		.host = import->endpoint->host,
		.port = import->port,
		.device = device,
		.reason = reason,
	};

	hook_runner_tell(import->context->hooks, &facts);
}

/* Another device than before: nothing is held against it. */
static void import_forget_past(struct import *import)
{
	log_once_clear(&import->failure);
	import->flaps = (struct flaps){ 0 };
	if (import->state == IMPORT_FAILED || import->state == IMPORT_REFUSED)
		import_set_state(import, IMPORT_IDLE);
}

void import_list_entry(struct import *import, const struct op_device *device,
		       const struct op_interface *interface)
{
	struct rule_facts *facts = &import->facts;
	bool same = facts->vendor == device->vendor && facts->product == device->product;

	import->listed_next = import->identified = true;
	import->speed = device->speed;
	if (!same || import->listed_devid != op_devid(device)) {
		import_forget_identity(import);
		log_once_clear(&import->denial);
	}
	if (!facts->described)
		import_set_classes(import, device, interface);
	import->bcd_device = device->bcd_device;
	import->listed_devid = op_devid(device);
	facts->vendor = device->vendor;
	facts->product = device->product;
	if (!same)
		import_forget_past(import);
}

void import_list_complete(struct import *import)
{
	bool again = import->listed_next && !import->listed;

	import->listed = import->listed_next;
	import->listed_next = false;
	if (again && import->state == IMPORT_REFUSED) {
		import_set_state(import, IMPORT_IDLE);
		if (++import->flaps.short_stays <= FLAP_FREE)
			import->flaps.backoff.until = 0;
	} else if (!import->listed && import->state == IMPORT_DUE) {
		import_set_state(import, IMPORT_IDLE);
	}
}

void import_list_abandon(struct import *import)
{
	import->listed_next = false;
}

void import_record_failure(struct import *import, const char *reason)
{
	if (log_once(&import->failure, LOG_LEVEL_WARNING, 0, "cannot attach %s: %s",
		     import_name(import).text, reason))
		import_run_hooks(import, "failed", NULL, reason);
	flaps_fail(&import->flaps, import->context->loop->now);
}

void import_fail(struct import *import, enum import_state state, const char *reason)
{
	assert(state == IMPORT_FAILED || state == IMPORT_REFUSED);
	import_record_failure(import, reason);
	import_set_state(import, state);
}

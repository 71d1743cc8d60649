/* SPDX-License-Identifier: MIT */
/* One device of a server: its state, its entries in lists, and attempts that failed. */
#include "client/import.h"

#include "lib/log.h"
#include "lib/state.h"
#include "lib/str.h"

#include <assert.h>
#include <string.h>

void import_set_state(struct import *import, enum import_state state)
{
	enum {
		IDLE = 1 << IMPORT_IDLE,
		ATTACHED = 1 << IMPORT_ATTACHED,
		LEAVING = 1 << IMPORT_LEAVING,
		DETACHING = 1 << IMPORT_DETACHING,
	};
	static const struct state states[] = {
		[IMPORT_UNUSED] = { "unused", IDLE },
		[IMPORT_IDLE] = { "idle", 1 << IMPORT_UNUSED | 1 << IMPORT_REQUESTING | ATTACHED },
		[IMPORT_REQUESTING] = { "requesting", IDLE },
		[IMPORT_ATTACHED] = { "attached", IDLE | LEAVING | DETACHING },
		[IMPORT_LEAVING] = { "leaving", IDLE | ATTACHED | 1 << IMPORT_KEPT | DETACHING },
		[IMPORT_KEPT] = { "kept", IDLE | ATTACHED | LEAVING | DETACHING },
		[IMPORT_DETACHING] = { "detaching", IDLE },
	};

	state_enter(states, import->state, state, import_name(import).text, "");
	import->state = state;
	assert(import_has_port(import) == (import->port >= 0));
}

bool import_has_port(const struct import *import)
{
	return import->state == IMPORT_ATTACHED || import->state == IMPORT_LEAVING ||
	       import->state == IMPORT_KEPT || import->state == IMPORT_DETACHING;
}

struct import *import_next(struct import_context *context, const struct endpoint *server,
			   struct import *import)
{
	import = import ? import + 1 : context->import;
	for (; import < context->import + context->imports; import++)
		if (import->state != IMPORT_UNUSED && (!server || import->endpoint == server))
			return import;
	return NULL;
}

struct import *import_add(struct import_context *context, const struct endpoint *server,
			  const char *busid)
{
	struct import *import = context->import;

	while (import < context->import + context->imports && import->state != IMPORT_UNUSED)
		import++;
	if (import == context->import + IMPORTS_MAX)
		return NULL;
	if (import == context->import + context->imports)
		context->imports++;
	memset(import, 0, sizeof(*import));
	import->context = context;
	import->endpoint = server;
	import->port = -1;
	session_watch_init(&import->session, context->loop);
	str_copy(import->busid, sizeof(import->busid), busid);
	import->facts.busid = import->busid;
	import->facts.product_name = import->product;
	import->facts.from = server->host;
	import->facts.server = server->name;
	import_set_state(import, IMPORT_IDLE);
	return import;
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

/* The same device of the same server, at another address: it was refused for that one. */
static bool import_has_twin(const struct import *import)
{
	struct import *other = NULL;

	while ((other = import_next(import->context, NULL, other)))
		if ((import_has_port(other) || other->state == IMPORT_REQUESTING) &&
		    other->listing.devid == import->listing.devid &&
		    !strcmp(other->busid, import->busid))
			return true;
	return false;
}

void import_log_failure(struct import *import, const char *reason)
{
	if (import->refused && import_has_twin(import))
		return;
	if (log_once(&import->failure, LOG_LEVEL_WARNING, 0, "cannot attach %s: %s",
		     import_name(import).text, reason))
		import_run_hooks(import, "failed", NULL, reason);
}

void import_fail(struct import *import, const char *reason)
{
	import_log_failure(import, reason);
	flaps_fail(&import->flaps, import->context->loop->now);
}

/* Another device, or another chance, is no reason to wait, a few times: a device that starts again
 * and again may do so with two ids in turn. */
static void import_pardon(struct import *import)
{
	if (++import->flaps.short_stays <= FLAP_FREE)
		import->flaps.backoff.until = 0;
}

/* Stock servers before July 2026 do not know speeds above super speed, and list 0. */
static void import_set_speed(struct import *import, uint32_t speed)
{
	if (speed && speed <= VHCI_SPEED_SUPER_PLUS)
		import->speed = speed;
}

void import_granted(struct import *import, const struct op_device *device)
{
	const struct import_listing *listing = &import->listing;

	import_set_speed(import, device->speed);
	if (device->vendor == listing->vendor && device->product == listing->product &&
	    device->bcd_device == listing->bcd_device && op_devid(device) == listing->devid)
		return;
	import_forget_identity(import);
	import->identified = false;
	import->told = true;
}

void import_list_entry(struct import *import, const struct op_device *device,
		       const struct op_interface *interface)
{
	struct rule_facts *facts = &import->facts;
	struct import_listing *listing = &import->listing;
	bool same = listing->vendor == device->vendor && listing->product == device->product;

	import->listed_next = true;
	import->speed = VHCI_SPEED_SUPER;
	import_set_speed(import, device->speed);
	if (!same || listing->devid != op_devid(device))
		import_forget_identity(import);
	if (!facts->described) {
		rule_facts_set_classes(facts, device, interface);
		/* the list of a stock server has no interfaces of a device that was just bound */
		facts->described = device->interfaces != 0;
	}
	*listing = (struct import_listing){ device->vendor, device->product, device->bcd_device,
					    op_devid(device) };
	if (!import->told) {
		facts->vendor = device->vendor;
		facts->product = device->product;
		import->identified = true;
	}
	if (same)
		return;
	log_once_clear(&import->failure);
	import->refused = false;
	if (import->context->loop->now >= import->flaps.remember)
		import->flaps = (struct flaps){ 0 };
	else
		import_pardon(import);
}

void import_list_complete(struct import *import)
{
	bool again = import->listed_next && !import->listed;

	import->listed = import->listed_next;
	import->listed_next = false;
	if (again && import->refused) {
		import->refused = false;
		import_pardon(import);
	}
	if (import->state == IMPORT_IDLE && !import->listed &&
	    import->context->loop->now >= import->flaps.remember)
		import_set_state(import, IMPORT_UNUSED);
}

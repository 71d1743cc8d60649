/* SPDX-License-Identifier: MIT */
/* Which imports are attached: their identity for holds and rules, and the decision. */
#include "client/import.h"
#include "client/port_record.h"
#include "lib/str.h"
#include "lib/util.h"

#include <string.h>

void import_forget_identity(struct import *import)
{
	import->facts.serial = NULL;
	import->facts.described = import->told = false;
}

static void import_set_strings(struct import *import, const struct device_strings *strings)
{
	str_copy(import->product, sizeof(import->product), strings->product);
	str_copy(import->serial, sizeof(import->serial), strings->serial);
	import->facts.serial = import->serial;
}

void import_set_descriptors(struct import *import, const struct descriptor_query *query)
{
	if (!import->identified) /* the classes of the list may be another's, else they stay */
		memset(import->facts.class, 0, sizeof(import->facts.class));
	for (size_t i = 0; i < sizeof(query->class); i++)
		import->facts.class[i] |= query->class[i];
	import->facts.vendor = query->vendor;
	import->facts.product = query->product;
	import_set_strings(import, &query->strings);
	import->facts.described = import->identified = import->told = true;
}

static void identity_reader_done(struct child *child, bool whole)
{
	struct identity_reader *slot = container_of(child, struct identity_reader, reader.child);
	struct import *import = slot->import;

	slot->import = NULL;
	if (whole)
		import_set_strings(import, &slot->reader.strings);
	else
		import->facts.serial = NULL;
	loop_pass_now(import->context->loop);
}

/* The reader at work for that import, NULL: none. An idle one for NULL. */
static struct identity_reader *identity_reader_find(struct import_context *context,
						    const struct import *import)
{
	for (unsigned i = 0; i < IDENTITY_READERS; i++)
		if (context->identity_reader[i].import == import)
			return &context->identity_reader[i];
	return NULL;
}

void import_context_begin_pass(struct import_context *context)
{
	for (unsigned i = 0; i < IDENTITY_READERS; i++)
		strings_reader_pass(&context->identity_reader[i].reader);
	for (unsigned i = 0; i < IMPORT_REQUESTS_MAX; i++)
		if (context->request[i].import)
			request_pass(&context->request[i].request);
}

void import_describe(struct import *import)
{
	const struct import_context *context = import->context;
	const struct vhci_port *row = &context->vhci.port[import->port];
	struct op_interface interface[OP_INTERFACES_MAX];
	struct op_device device;

	if (device_describe(context->sysfs, row->busid, &device, interface))
		return;
	rule_facts_set_classes(&import->facts, &device, interface);
	import->facts.vendor = device.vendor;
	import->facts.product = device.product;
	import->facts.described = import->identified = import->told = true;
}

/* Starts to read ids, classes and strings of an attached device here, in sysfs. */
static void import_read_identity(struct import *import)
{
	struct import_context *context = import->context;
	const struct vhci_port *row = &context->vhci.port[import->port];
	struct identity_reader *slot = identity_reader_find(context, NULL);

	if (!slot || identity_reader_find(context, import) ||
	    context->loop->now < import->identify_after || !vhci_usable(context->sysfs, row))
		return;
	import_describe(import);
	import->identify_after = context->loop->now + STRINGS_READ_MS;
	loop_pass_by(context->loop, import->identify_after);
	slot->import = import;
	strings_reader_start(&slot->reader, context->loop, context->sysfs, row->busid,
			     identity_reader_done);
}

void import_cancel_identity(struct import *import)
{
	struct identity_reader *slot = identity_reader_find(import->context, import);

	if (slot) {
		child_kill(&slot->reader.child);
		slot->import = NULL;
	}
}

/* Servers that list whatever libusb finds list their own hubs, whose ports a driver here would
 * reset and switch beneath that of the server. */
static bool import_is_foreign_hub(const struct import *import)
{
	return import->facts.class[DEVICE_CLASS_HUB / 8] & 1 << DEVICE_CLASS_HUB % 8 &&
	       !rules_name_device(&import->context->rules, &import->facts);
}

enum rule_verdict import_check_policy(struct import *import)
{
	const struct import_context *context = import->context;
	enum rule_verdict verdict;
	struct reason why;

	if (!import->identified && (context->rules.count || context->holds.len))
		return RULE_UNKNOWN;
	verdict = policy_judge(&context->rules, &context->holds, &import->facts, &why);
	if (verdict == RULE_ALLOW && import_is_foreign_hub(import)) {
		verdict = RULE_DENY;
		str_copy(why.text, sizeof(why.text), "it is a hub");
	}
	import->flaps.steady = rules_are_steady(&context->rules, &import->facts);
	if (verdict == RULE_DENY)
		log_once(&import->denial, LOG_LEVEL_INFO, 0, "%s: left alone: %s",
			 import_name(import).text, why.text);
	else if (verdict == RULE_ALLOW)
		log_once_clear(&import->denial);
	return verdict;
}

/* Whether a port that is not ours has this device, as its record says. */
static bool import_is_elsewhere(const struct import *import)
{
	const struct import_context *context = import->context;

	for (unsigned i = 0; i < context->vhci.ports; i++)
		if (context->vhci.port[i].state > VHCI_FREE &&
		    record_matches(context->record_dir, i, import->endpoint, import->busid))
			return true;
	return false;
}

bool import_review(struct import *import)
{
	const struct vhci *vhci = &import->context->vhci;
	struct loop *loop = import->context->loop;

	if (!import->listed || import_check_policy(import) == RULE_DENY)
		return false;
	if (loop->now < import->flaps.backoff.until) {
		loop_pass_by(loop, import->flaps.backoff.until);
		return false;
	}
	if (import_is_elsewhere(import))
		return false;
	if (vhci_free_port(vhci, import->speed, import->context->port_owner, 0) < 0)
		import_log_failure(import, IMPORT_NO_PORT); /* until a port is free */
	else
		return true;
	return false;
}

void import_enforce_policy(struct import *import)
{
	enum rule_verdict verdict;

	if (!import_has_port(import) || import->context->loop->stopping)
		return;
	verdict = import_check_policy(import);
	if (verdict == RULE_UNKNOWN)
		import_read_identity(import);
	else if (verdict == RULE_DENY)
		import_leave(import);
	else
		import_stay(import);
}

/* SPDX-License-Identifier: MIT */
/* The server role: finds the ports that are to be claimed before anything is plugged in there. */
#include "host/host.h"

#include "host/holder.h"
#include "lib/str.h"

#include <errno.h>
#include <string.h>

struct ports_search {
	struct host *host;
	struct starter_ports *ports;
};

/* A device keeps the claim of its port until it is bound, unless that fails or is refused. A hub,
 * and what comes over USB/IP, shall have their drivers. */
static bool host_wants_port(struct host *host, const char *busid, bool *empty)
{
	const struct export *export = exports_find(&host->exports, busid);
	struct device device;

	if (!policy_claims_port(&host->policy, busid))
		return false;
	*empty = !export || !export->seen;
	if (!*empty)
		return !export->reason.text[0] && export->failed == EXPORT_UNUSED;
	return device_read(&host->daemon.sysfs, busid, &device) == -ENODEV &&
	       !port_is_virtual(&host->daemon.sysfs, busid);
}

static void host_add_port(const struct ports_search *search, const char *busid)
{
	struct starter_ports *ports = search->ports;
	struct starter_port *place = &ports->port[ports->count];

	if (ports->count == STARTER_PORTS_MAX ||
	    !host_wants_port(search->host, busid, &place->empty) ||
	    port_find(&search->host->daemon.sysfs, busid, &place->port))
		return;
	str_copy(place->busid, sizeof(place->busid), busid);
	ports->count++;
}

/* For sysfs_each_entry(): all ports of a hub, "usb1" or "1-2". Other devices have none. */
static bool host_add_hub(void *ctx, const char *name)
{
	const struct ports_search *search = ctx;
	bool root = !strncmp(name, "usb", 3);
	char busid[2 * BUSID_SIZE];
	int ports = 0;

	if (root || busid_is_device(name))
		ports = device_number(&search->host->daemon.sysfs, name, "maxchild");
	for (int i = 1; i <= ports; i++) {
		str_format(busid, sizeof(busid), "%.*s%c%d", BUSID_SIZE, name + (root ? 3 : 0),
			   root ? '-' : '.', i);
		host_add_port(search, busid);
	}
	return false;
}

/* Where rules name a port, no hub has to be looked at. */
static void host_find_ports(const struct ports_search *search)
{
	const struct policy *policy = &search->host->policy;

	if (policy->take_all)
		sysfs_each_entry(search->host->daemon.sysfs.root, DEVICE_DIR, host_add_hub,
				 (void *)search);
	for (unsigned i = 0; !policy->take_all && i < policy->rules.count; i++) {
		const char *busid = rules_place(&policy->rules, i);

		if (busid)
			host_add_port(search, busid);
	}
}

/* A device that loses the claim of its port before it is bound has its drivers only now: it is as
 * if it had just been plugged in. */
static void host_note_claims(struct host *host, const struct starter_ports *ports)
{
	uint64_t later = host->daemon.loop.now + POLICY_DRIVERLESS_MS;

	EACH_EXPORT(&host->exports, export) {
		bool claimed = false;

		for (unsigned i = 0; i < ports->count; i++)
			claimed |= !strcmp(ports->port[i].busid, export->device.busid);
		if (export->port_claimed && !claimed && export->state == EXPORT_LEFT_ALONE) {
			export->need = (struct export_need){ 0 };
			if (export->backoff.until < later)
				export->backoff.until = later;
		}
		export->port_claimed = claimed;
	}
}

/* usbip-host claims the ports of its devices itself, also those that it remembers when it is
 * full. */
static bool host_may_claim(const struct host *host)
{
	return !host->daemon.loop.stopping && !host->daemon.options->once &&
	       host->choice.engine == &engine_usbfs &&
	       (host->engines.only || engine_kernel.check(&host->daemon.sysfs));
}

void host_claim_ports(struct host *host)
{
	static struct starter_ports ports;
	const struct ports_search search = { host, &ports };

	ports.count = 0;
	if (host_may_claim(host))
		host_find_ports(&search);
	host_note_claims(host, &ports);
	holders_claim_ports(&ports);
}

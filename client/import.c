/* SPDX-License-Identifier: MIT */
/* One device of a server: attached to a port of this machine, or to be. */
#include "client/import.h"

#include "client/port_record.h"
#include "lib/log.h"
#include "lib/socket.h"
#include "lib/str.h"
#include "lib/util.h"
#include "sysfs/descriptors.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	ATTACH_TRIES = 8,     /* somebody else may take the port that was free: look again */
	RETRY_LIMIT_MS = 60000,
	SETTLED_MS = 10000,   /* a session that lasted so long was a good one */
	QUICK_FREE = 3,	      /* so many short ones in a row are somebody who replugs it */
	REMEMBER_MS = 60000,  /* more than that is a bad contact; so are its latest failures */
	POLL_MS = 50,	      /* between looks at a port that is about to become free */
	READ_MS = 2000,	      /* for a device to tell its strings; the kernel remembers them */
	AGAIN_MS = 1000,      /* until a detach is tried again for which there was no descriptor */
	NUMBER_MAX = 0xffff,  /* of busnum and devnum: a devid has 16 bits for each */
};

/* "WHAT BUSID (ID) of SERVER: DETAIL", or "... from port N" */
static void say(const struct import *import, const char *what, const char *link, const char *detail)
{
	log_info("%s %s (%04x:%04x) of %s%s%s", what, import->busid, import->facts.vendor,
		 import->facts.product, import->endpoint->name, link, detail);
}

static void say_port(const struct import *import, const char *what, const char *link)
{
	char number[12];

	str_format(number, sizeof(number), "%u", (unsigned)import->port);
	say(import, what, link, number);
}

static void tell_hooks(struct import *import, const char *event, const char *device,
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

	hook_runner_tell(import->importer->runner, &facts);
}

/* The list of a stock server has no interfaces of a device that was just bound. */
static void see_classes(struct rule_facts *facts, const struct op_device *device,
			const struct op_interface *interface)
{
	rule_facts_add_classes(facts, device, interface);
	facts->described = device->interfaces != 0;
}

static uint32_t devid_of(const struct op_device *device)
{
	return device->busnum << 16 | device->devnum;
}

void import_doubt(struct import *import)
{
	import->facts.serial = NULL;
	import->facts.described = false;
}

void import_see(struct import *import, const struct op_device *device,
		const struct op_interface *interface)
{
	struct rule_facts *facts = &import->facts;
	bool same = facts->vendor == device->vendor && facts->product == device->product;

	import->fresh = import->identified = true;
	import->speed = device->speed;
	if (!same || import->listed_devid != devid_of(device)) {
		import_doubt(import);
		import->why.text[0] = '\0';
	}
	if (!facts->described)
		see_classes(facts, device, interface);
	import->bcd_device = device->bcd_device;
	import->listed_devid = devid_of(device);
	if (same)
		return;
	facts->vendor = device->vendor;
	facts->product = device->product;
	import->quick = 0;
	import->refused = false;
	import->said = NULL;
	backoff_clear(&import->backoff);
}

void import_learn(struct import *import, const struct descriptor_query *query)
{
	for (size_t i = 0; i < sizeof(query->class); i++)
		import->facts.class[i] |= query->class[i]; /* what the list told stays true */
	import->strings = query->strings;
	import->facts.serial = import->strings.serial;
	import->facts.described = true;
}

static void leave_alone(struct import *import, const struct reason *why)
{
	if (!strcmp(why->text, import->why.text))
		return;
	import->why = *why;
	say(import, import->port < 0 ? "leaving alone" : "letting go", ": ", why->text);
}

enum rule_verdict import_choose(struct import *import)
{
	const struct importer *importer = import->importer;
	enum rule_verdict wanted;
	struct reason why;

	if (!import->identified && (importer->rules.count || importer->held.len))
		return RULE_UNKNOWN;
	wanted = policy_judge(&importer->rules, &importer->held, &import->facts, &why);
	if (wanted == RULE_DENY)
		leave_alone(import, &why);
	else if (wanted == RULE_ALLOW)
		import->why.text[0] = '\0';
	return wanted;
}

bool import_forgettable(const struct import *import)
{
	return !import->listed && !import->asking && import->port < 0 &&
	       import->importer->loop->now >= import->remember;
}

void import_failed(struct import *import, const char *reason)
{
	if (import->said != reason) {
		say(import, "cannot attach", ": ", reason);
		tell_hooks(import, "failed", NULL, reason);
	}
	import->said = reason;
	import->refused = false;
	import->remember = import->importer->loop->now + REMEMBER_MS;
	backoff_fail(&import->backoff, import->importer->loop->now, RETRY_LIMIT_MS);
}

void import_list_whole(struct import *import)
{
	if (import->fresh && !import->listed && import->refused) {
		import->refused = false;
		if (++import->quick <= QUICK_FREE)
			import->backoff.until = 0;
	}
	import->listed = import->fresh;
	import->fresh = false;
}

static bool record_names(const char *dir, unsigned port, const struct import *import)
{
	return record_matches(dir, port, import->endpoint->host, import->endpoint->port, import->busid);
}

static const char no_port[] = "every port of vhci-hcd for its speed is in use";

/* Whether a port that is not ours has, by its record, this very device. */
static bool attached_elsewhere(const struct import *import)
{
	const struct importer *importer = import->importer;

	for (unsigned i = 0; i < importer->vhci.ports; i++)
		if (importer->vhci.port[i].state > VHCI_FREE &&
		    record_names(importer->record_dir, i, import))
			return true;
	return false;
}

bool import_wanted(struct import *import)
{
	struct loop *loop = import->importer->loop;
	struct client_facts facts = {
		.listed = import->listed,
		.attached = import->port >= 0 || import->asking,
		.held_back = loop->now < import->backoff.until,
		.speed = import->speed,
	};

	if (!facts.listed || facts.attached)
		return false;
	facts.unwanted = import_choose(import) == RULE_DENY;
	if (facts.held_back) {
		loop_pass_by(loop, import->backoff.until);
	} else {
		facts.elsewhere = attached_elsewhere(import);
		facts.port_free =
			vhci_free_port(&import->importer->vhci, import->speed, NULL, 0) >= 0;
	}
	switch (client_judge(&facts)) {
	case CLIENT_ATTACH:
		return true;
	case CLIENT_NO_PORT:
		import_failed(import, no_port);
		break;
	case CLIENT_NO_SPEED:
		import_failed(import, "its server does not know its speed");
		break;
	case CLIENT_LEAVE:
		break;
	}
	return false;
}

/* What is ours is noted before it is attached, so that a killed daemon's heir knows. */
static void note(const struct import *import, const char *dir, unsigned port, const char *more)
{
	int error = record_write(dir, port, import->endpoint->host, import->endpoint->port,
				 import->busid, more);

	if (error)
		log_warning_errno(error, "cannot write %s/port%u", dir, port);
}

/* Who it is, as far as a list says that: another device in its place is given its port. */
static uint32_t place_hash(const struct import *import)
{
	uint32_t hash = str_hash(STR_HASH, import->endpoint->name);

	return str_hash(str_hash(hash, "/"), import->busid) | 1; /* 0 is nobody */
}

/* Gives the socket to a free port; the port, or -errno. */
static int give_to_kernel(struct import *import, int fd, uint32_t devid, uint32_t speed)
{
	struct importer *importer = import->importer;
	char pair[SOCKET_PAIR_SIZE];
	int port, error;

	if (!socket_pair_text(fd, pair))
		pair[0] = '\0';
	for (int i = 0; i < ATTACH_TRIES; i++) {
		port = vhci_free_port(&importer->vhci, speed, importer->last,
				      place_hash(import));
		if (port < 0)
			return port;
		note(import, importer->own_dir, (unsigned)port, pair);
		error = vhci_attach(importer->sysfs, (unsigned)port, fd, devid, speed);
		if (!error)
			return port;
		record_remove(importer->own_dir, (unsigned)port);
		if (error != -EBUSY)
			return error;
		error = vhci_read(importer->sysfs, &importer->vhci);
		if (error)
			return error;
	}
	return -EBUSY;
}

static void now_attached(struct import *import, int port, uint32_t devid, int fd)
{
	import_adopt(import, (unsigned)port);
	import->devid = devid;
	import->usable = false;
	import->importer->vhci.port[port].state = VHCI_ATTACHING;
	note(import, import->importer->record_dir, (unsigned)port, NULL);
	session_watch_start(&import->session, fd);
}

/* Somebody may have put another one into its place since the list: the next list tells. */
static bool is_listed(const struct import *import, const struct op_device *device)
{
	return device->vendor == import->facts.vendor && device->product == import->facts.product &&
	       device->bcd_device == import->bcd_device &&
	       devid_of(device) == import->listed_devid;
}

void import_attach(struct import *import, int fd, const struct op_device *device)
{
	uint32_t devid = devid_of(device);
	int port = -EPROTO;

	if (!is_listed(import, device)) {
		import_failed(import, "it is not the device that was listed");
		close(fd);
		return;
	}
	if (device->busnum <= NUMBER_MAX && device->devnum <= NUMBER_MAX)
		port = session_set_timeouts(fd, import->importer->dead_after);
	if (!port)
		port = give_to_kernel(import, fd, devid, device->speed);
	if (port < 0) {
		import_failed(import, port == -ENOSPC ? no_port : strerror(-port));
		close(fd);
		return;
	}
	now_attached(import, port, devid, fd);
	say_port(import, "attached", " to port ");
}

void import_adopt(struct import *import, unsigned port)
{
	import->port = (int)port;
	import->importer->last[port] = place_hash(import);
	import->devid = 0;
	import->attached = import->importer->loop->now;
	import->detaching = import->refused = false;
	/* an earlier daemon may have been killed before it answered */
	import->usable = vhci_usable(import->importer->sysfs, &import->importer->vhci.port[port]);
	import->turn = ++import->importer->last_turn;
}

static struct import_line *line_of(const struct import *import)
{
	struct importer *importer = import->importer;

	return &importer->line[vhci_controller(&importer->vhci, (unsigned)import->port) %
			       VHCI_CONTROLLERS_MAX];
}

void import_line_begin(struct importer *importer)
{
	for (unsigned i = 0; i < VHCI_CONTROLLERS_MAX; i++)
		importer->line[i].turn = UINT32_MAX;
}

void import_line_up(const struct import *import)
{
	if (import->port >= 0 && !import->usable && import->turn < line_of(import)->turn)
		line_of(import)->turn = import->turn;
}

/* A short session may be somebody's replug, a number of them or one without a device is not. */
static void judge_session(struct import *import, uint64_t now)
{
	if (import->usable && now - import->attached >= SETTLED_MS) {
		import->quick = 0;
		backoff_clear(&import->backoff);
		return;
	}
	import->remember = now + REMEMBER_MS;
	if (now < import->backoff.until) /* it was found failing before */
		return;
	if (!import->usable || ++import->quick > QUICK_FREE)
		backoff_fail(&import->backoff, now, RETRY_LIMIT_MS);
}

static void now_free(struct import *import)
{
	struct importer *importer = import->importer;
	uint64_t now = importer->loop->now;
	unsigned port = (unsigned)import->port;

	say_port(import, import->detaching ? "detached" : "lost", " from port ");
	tell_hooks(import, "detached", NULL, NULL);
	child_kill(&import->child);
	session_watch_drop(&import->session);
	record_remove(importer->own_dir, port);
	if (record_names(importer->record_dir, port, import))
		record_remove(importer->record_dir, port);
	line_of(import)->progress = now;
	import->port = -1;
	import_doubt(import);
	judge_session(import, now);
}

void import_detach(struct import *import)
{
	struct importer *importer = import->importer;
	int error;

	if (!import->detaching) {
		error = vhci_detach(importer->sysfs, (unsigned)import->port);
		if (error_is_resource(error)) {
			loop_pass_by(importer->loop, importer->loop->now + AGAIN_MS);
			return;
		}
		if (error && error != -EINVAL) /* -EINVAL: it is free already */
			log_warning_errno(error, "cannot detach port %u", (unsigned)import->port);
	}
	import->detaching = true;
	loop_pass_by(importer->loop, importer->loop->now + POLL_MS);
}

static void strings_came(struct child *child, bool whole)
{
	struct import *import = container_of(child, struct import, child);

	import->facts.serial = whole ? import->strings.serial : NULL;
	loop_pass_now(child->loop);
}

struct place {
	const struct sysfs *sysfs;
	const char *busid;
};

static void read_strings(const void *arg, void *result)
{
	const struct place *place = arg;

	device_strings_read(place->sysfs, place->busid, result);
}

/* What an attached device is, this machine knows. */
static void look_here(struct import *import)
{
	struct importer *importer = import->importer;
	const struct vhci_port *row = &importer->vhci.port[import->port];
	struct place place = { importer->sysfs, row->busid };
	struct op_interface interface[OP_INTERFACES_MAX];
	struct op_device device;
	uint64_t now = importer->loop->now;

	if (child_running(&import->child) && now >= import->read_by)
		child_kill(&import->child);
	if (child_running(&import->child) || now < import->read_by ||
	    !vhci_usable(importer->sysfs, row))
		return;
	if (!device_describe(importer->sysfs, row->busid, &device, interface)) {
		see_classes(&import->facts, &device, interface);
		import->facts.vendor = device.vendor;
		import->facts.product = device.product;
		import->facts.described = import->identified = true;
	}
	import->read_by = now + READ_MS;
	loop_pass_by(importer->loop, import->read_by);
	child_start(importer->loop, &import->child, read_strings, &place, &import->strings,
		    sizeof(import->strings), strings_came);
}

void import_obey(struct import *import)
{
	if (import->port < 0 || import->importer->loop->stopping)
		return;
	switch (import_choose(import)) {
	case RULE_UNKNOWN:
		look_here(import);
		break;
	case RULE_DENY:
		import_detach(import);
		break;
	case RULE_ALLOW:
		break;
	}
}

/* For how long it has kept the kernel waiting; not as long as others are before it. */
static uint64_t unanswered(const struct import *import)
{
	struct loop *loop = import->importer->loop;
	const struct import_line *line = line_of(import);
	uint64_t since = import->attached;

	if (import->usable || import->turn != line->turn)
		return 0;
	if (since < line->progress)
		since = line->progress;
	loop_pass_by(loop, since + CLIENT_ANSWER_MS);
	return loop->now - since;
}

static void see_usable(struct import *import, const struct vhci_port *row)
{
	if (import->usable || !vhci_usable(import->importer->sysfs, row))
		return;
	import->usable = true;
	import->said = NULL;
	tell_hooks(import, "attached", row->busid, NULL);
	line_of(import)->progress = import->importer->loop->now;
}

bool import_check(struct import *import)
{
	struct loop *loop = import->importer->loop;
	const struct vhci_port *row;
	struct client_session session;

	if (import->port < 0)
		return false;
	row = &import->importer->vhci.port[import->port];
	session_watch_check(&import->session, import->importer->dead_after);
	see_usable(import, row);
	session = (struct client_session){
		.state = row->state,
		.stranger = row->devid && import->devid && row->devid != import->devid,
		.unanswered = unanswered(import),
		.ended_for = import->session.ended ? loop->now - import->session.ended : 0,
	};
	switch (client_session_judge(&session)) {
	case CLIENT_GONE:
		now_free(import);
		return true;
	case CLIENT_UNANSWERED:
		if (!import->detaching) {
			/* the kernel asks by port: give those behind it time to be asked */
			if (import->backoff.delay < CLIENT_ANSWER_MS)
				import->backoff.delay = CLIENT_ANSWER_MS;
			import_failed(import, "its server took it but never answered");
		}
		import_detach(import);
		break;
	case CLIENT_DETACH:
		import_detach(import);
		break;
	case CLIENT_KEEP:
		if (import->session.ended)
			loop_pass_by(loop, loop->now + POLL_MS);
		break;
	}
	return false;
}

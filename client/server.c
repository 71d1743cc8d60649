/* SPDX-License-Identifier: MIT */
/* One server and the imports of its devices. */
#include "client/server.h"

#include "lib/str.h"
#include "lib/util.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

struct import *server_import(struct server *server, const char *busid)
{
	const struct endpoint *endpoint = server->target.endpoint;
	struct import *added = NULL;
	unsigned imports = 0;

	EACH_IMPORT(server, import) {
		if (!strcmp(import->busid, busid))
			return import;
		imports++;
	}
	if (imports < SERVER_IMPORTS_MAX)
		added = import_add(server->context, endpoint, busid);
	if (!added)
		log_once(&server->overflow, LOG_LEVEL_WARNING, 0,
			 "%s: lists more than %u devices, or all servers more than %u; the others "
			 "are ignored", endpoint->name, SERVER_IMPORTS_MAX, IMPORTS_MAX);
	return added;
}

/* The device itself is asked if rules or holds need to know more. */
static void server_import_granted(struct request *request, const struct reply_item *item)
{
	struct import *import = container_of(request, struct import_request, request)->import;

	import_granted(import, &item->device);
	request->query_device = import_check_policy(import) == RULE_UNKNOWN;
}

static void server_import_done(struct request *request)
{
	struct import_request *slot = container_of(request, struct import_request, request);
	struct import *import = slot->import;

	slot->import = NULL;
	loop_pass_now(request->loop);
	import_set_state(import, IMPORT_IDLE);
	import->refused = request->outcome == REQUEST_REFUSED;
	if (request->outcome != REQUEST_OK) {
		import_fail(import, request->reason);
		return;
	}
	if (request->query_device)
		import_set_descriptors(import, &request->descriptors);
	if (import_check_policy(import) == RULE_ALLOW) /* it may also have changed meanwhile */
		import_attach(import, request);
	else
		request_close(request);
}

/* Begins to request that device, unless too many requests of all servers are running. */
static void server_request_import(struct server *server, struct import *import)
{
	struct import_request *slot = server->context->request;

	while (slot->import)
		if (++slot == server->context->request + IMPORT_REQUESTS_MAX)
			return; /* the pass after the end of one */
	import_set_state(import, IMPORT_REQUESTING);
	slot->import = import;
	memset(&slot->request, 0, sizeof(slot->request)); /* another server's */
	request_init(&slot->request, server->context->loop, &server->target, NULL);
	slot->request.record = server_import_granted;
	slot->request.done = server_import_done;
	request_start(&slot->request, OP_REQ_IMPORT, import->busid);
}

/* How many imports are being requested. */
static unsigned server_requesting(struct server *server)
{
	unsigned n = 0;

	EACH_IMPORT(server, import)
		n += import->state == IMPORT_REQUESTING;
	return n;
}

/* At most that many at a time. The others are reviewed when a request has ended. */
static void server_request_imports(struct server *server, unsigned most)
{
	unsigned requesting = server_requesting(server);

	EACH_IMPORT(server, import) {
		if (requesting >= most)
			break;
		if (import->state == IMPORT_IDLE && import_review(import)) {
			server_request_import(server, import);
			requesting += import->state == IMPORT_REQUESTING;
		}
	}
}

/* The daemon stops: cancels all requests, and lets all devices leave. */
static void server_stop(struct server *server)
{
	request_cancel(&server->list_request);
	for (unsigned i = 0; i < IMPORT_REQUESTS_MAX; i++) {
		struct import_request *slot = &server->context->request[i];

		if (!slot->import)
			continue;
		request_cancel(&slot->request);
		import_set_state(slot->import, IMPORT_IDLE);
		slot->import = NULL;
	}
	EACH_IMPORT(server, import)
		if (import_has_port(import))
			import_leave(import);
}

/* One connection at a time: the list when it is due, imports, and now and then a watch. */
static void server_poll(struct server *server)
{
	struct loop *loop = server->context->loop;

	if (server->list_request.state != REQUEST_IDLE || server_requesting(server))
		return;
	if (loop->now >= server->next_list) {
		server_list_request(server, OP_REQ_DEVLIST);
		return;
	}
	loop_pass_by(loop, server->next_list);
	if (!server->answered)
		return;
	server_request_imports(server, 1);
	if (!server->marked || server_requesting(server) || !server->context->watch_lists)
		return;
	if (loop->now >= server->next_watch)
		server_list_request(server, OP_REQ_WATCH);
	else
		loop_pass_by(loop, server->next_watch);
}

/* That works, or would be tried first; NULL: there is none yet. */
static const struct addr *server_address(const struct server *server)
{
	const struct addresses *known = &server->target.addresses;

	return known->count ? &known->address[server->target.good % known->count] : NULL;
}

static bool server_has_same_address(const struct server *first, const struct server *second)
{
	const struct addr *one = server_address(first), *other = server_address(second);

	/* what an IPv4 address does not fill is zero */
	return one && other && !memcmp(&one->sa.v6, &other->sa.v6, sizeof(one->sa.v6));
}

/* Anybody can repeat an identity, so it counts only among servers that prove theirs in one way. */
static bool server_has_same_identity(const struct server *first, const struct server *second)
{
	return first->identity && first->identity == second->identity &&
	       first->target.key == second->target.key &&
	       !*first->target.endpoint->through == !*second->target.endpoint->through;
}

bool server_is_same(const struct server *first, const struct server *second)
{
	return (server_has_same_address(first, second) ||
		server_has_same_identity(first, second)) &&
	       (first->answered || !log_once_active(&first->failure));
}

void server_set_first(struct server *server, struct server *first)
{
	server->second = first;
	EACH_IMPORT(server, import)
		import->facts.also = NULL;
	if (!first)
		return;
	log_once(&server->same, LOG_LEVEL_INFO, 0, "%s: is the same server as %s, which is used",
		 server->target.endpoint->name, first->target.endpoint->name);
	request_cancel(&server->list_request);
	server->watched_since = 0;
	EACH_IMPORT(first, import)
		import->facts.also = server->target.endpoint->host;
}

void server_came(struct server *server)
{
	loop_pass_now(server->context->loop); /* a request may wait for it */
	if (server->answered)
		return;
	server->pace = (struct backoff){ 0 };
	server->next_list = server->context->loop->now;
}

void server_pass(struct server *server)
{
	bool gone = false;

	EACH_IMPORT(server, import) {
		gone |= import_check(import);
		if (server->removed && import_has_port(import))
			import_leave(import);
		else
			import_enforce_policy(import);
	}
	if (gone && !server->watched_since) {
		server->hurry = true;
		server->pace = (struct backoff){ 0 };
		server->next_list = server->context->loop->now;
	}
	if (server->context->loop->stopping) {
		server_stop(server);
		return;
	}
	if (server->removed || server->second)
		return;
	server_list_check_recovery(server);
	request_pass(&server->list_request);
	if (server->watched_since)
		server_request_imports(server, SERVER_REQUESTS_MAX);
	else
		server_poll(server);
}

bool server_is_settled(struct server *server)
{
	EACH_IMPORT(server, import)
		if (import->state == IMPORT_REQUESTING || import->state == IMPORT_LEAVING ||
		    (import_has_port(import) && !import->answered))
			return false;
	return server->removed || server->second || /* or a list came or failed */
	       ((server->answered || log_once_active(&server->failure)) &&
		server->list_request.state == REQUEST_IDLE);
}

/* It is on offer and wanted, and a session with it has just ended. */
static bool import_was_lost(const struct import *import)
{
	return import->state == IMPORT_IDLE && import->listed &&
	       !log_once_active(&import->denial) &&
	       import->context->loop->now < import->flaps.remember;
}

bool server_is_failing(struct server *server)
{
	EACH_IMPORT(server, import)
		if (log_once_active(&import->failure) || import_was_lost(import))
			return true;
	return !server->answered && !server->removed && !server->second;
}

bool server_is_complete(struct server *server, unsigned *attached, struct reason *lacks)
{
	if (server->removed || server->second)
		return true;
	str_format(lacks->text, sizeof(lacks->text), "no list of devices from %s",
		   server->target.endpoint->name);
	if (!server->answered)
		return false;
	EACH_IMPORT(server, import) {
		bool here = import->state == IMPORT_ATTACHED && import->answered;

		*attached += here;
		if (here || log_once_active(&import->denial) ||
		    (import->state == IMPORT_IDLE && !import->listed))
			continue;
		str_format(lacks->text, sizeof(lacks->text), "%s is not attached",
			   import_name(import).text);
		return false;
	}
	return true;
}

/* SPDX-License-Identifier: MIT */
/* One server and the imports of its devices. */
#include "client/server.h"

#include "lib/util.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

struct import *server_next_import(struct server *server, struct import *import)
{
	import = import ? import + 1 : server->import;
	for (; import < server->import + server->imports; import++)
		if (import->state != IMPORT_UNUSED)
			return import;
	return NULL;
}

struct import *server_find_import(struct server *server, const char *busid)
{
	EACH_IMPORT(server, import)
		if (!strcmp(import->busid, busid))
			return import;
	return NULL;
}

struct import *server_add_import(struct server *server, const char *busid)
{
	unsigned i = 0;

	while (i < server->imports && server->import[i].state != IMPORT_UNUSED)
		i++;
	if (i == SERVER_IMPORTS_MAX)
		return NULL;
	if (i == server->imports)
		server->imports++;
	import_init(&server->import[i], server->context, server->target.endpoint, busid);
	return &server->import[i];
}

static void server_import_done(struct request *request, const struct request_result *result, int fd,
			       const struct op_device *device)
{
	struct server_request *slot = container_of(request, struct server_request, request);
	struct import *import = slot->import;

	slot->import = NULL;
	loop_pass_now(request->loop);
	if (result->outcome != REQUEST_OK) {
		import_fail(import,
			    result->outcome == REQUEST_REFUSED ? IMPORT_REFUSED : IMPORT_FAILED,
			    request_reason(request, result));
		return;
	}
	if (request->query_device)
		import_set_descriptors(import, &request->descriptors);
	if (import_check_policy(import) == RULE_ALLOW) { /* it may also have changed meanwhile */
		import_attach(import, fd, device);
		return;
	}
	close(fd);
	import_set_state(import, IMPORT_IDLE);
}

void server_init(struct server *server, struct import_context *context,
		 const struct endpoint *endpoint, const struct psk *key)
{
	server->context = context;
	server->target.endpoint = endpoint;
	server->target.key = key;
	server_list_init(server);
	for (unsigned i = 0; i < SERVER_REQUESTS_MAX; i++) {
		struct request *request = &server->import_request[i].request;

		request_init(request, context->loop, &server->target, NULL);
		request->done = server_import_done;
	}
}

void server_adopt(struct server *server, const char *busid, unsigned port)
{
	struct import *import = server_find_import(server, busid);

	if (!import)
		import = server_add_import(server, busid);
	if (import && !import_has_port(import))
		import_adopt(import, port);
}

void server_queue_imports(struct server *server)
{
	EACH_IMPORT(server, import)
		import_queue(import);
}

/* How many imports are being requested. */
static unsigned server_requesting(const struct server *server)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SERVER_REQUESTS_MAX; i++)
		n += server->import_request[i].import != NULL;
	return n;
}

static struct server_request *server_idle_request(struct server *server)
{
	for (unsigned i = 0; i < SERVER_REQUESTS_MAX; i++)
		if (!server->import_request[i].import)
			return &server->import_request[i];
	return NULL;
}

static void server_request_import(struct server *server, struct import *import)
{
	struct server_request *slot = server_idle_request(server);

	assert(slot && !request_running(&slot->request));
	import_set_state(import, IMPORT_REQUESTING);
	slot->import = import;
	slot->request.query_device = import_check_policy(import) == RULE_UNKNOWN;
	request_start(&slot->request, OP_REQ_IMPORT, import->busid);
}

/* At most that many at a time. The others are reviewed when a request has ended. */
static void server_request_imports(struct server *server, unsigned most)
{
	EACH_IMPORT(server, import) {
		if (server_requesting(server) >= most)
			break;
		if (!import_is_resting(import))
			continue;
		import_review(import);
		if (import->state == IMPORT_DUE)
			server_request_import(server, import);
	}
}

/* The daemon stops: cancels all requests, and detaches all devices. */
static void server_stop(struct server *server)
{
	request_cancel(&server->list_request);
	for (unsigned i = 0; i < SERVER_REQUESTS_MAX; i++) {
		struct server_request *slot = &server->import_request[i];

		request_cancel(&slot->request);
		if (slot->import)
			import_set_state(slot->import, IMPORT_IDLE);
		slot->import = NULL;
	}
	EACH_IMPORT(server, import)
		if (import_has_port(import))
			import_detach(import);
}

/* One connection at a time: the list when it is due, imports, and now and then a watch. */
static void server_poll(struct server *server)
{
	struct loop *loop = server->context->loop;

	if (request_running(&server->list_request) || server_requesting(server))
		return;
	if (loop->now >= server->next_list) {
		server_list_request(server, OP_REQ_DEVLIST);
		return;
	}
	loop_pass_by(loop, server->next_list);
	if (!server->answered)
		return;
	server_request_imports(server, 1);
	if (server_requesting(server) || !server->context->watch_lists)
		return;
	if (loop->now >= server->next_watch)
		server_list_request(server, OP_REQ_WATCH);
	else
		loop_pass_by(loop, server->next_watch);
}

/* The imports that have a port. */
static void server_check_imports(struct server *server)
{
	unsigned attached = server_attached(server);

	EACH_IMPORT(server, import) {
		import_check(import);
		import_enforce_policy(import);
	}
	if (server_attached(server) < attached && !server->watched_since)
		server_list_hurry(server);
}

void server_pass(struct server *server)
{
	server_check_imports(server);
	if (server->context->loop->stopping) {
		server_stop(server);
		return;
	}
	server_list_check_recovery(server);
	request_pass(&server->list_request);
	for (unsigned i = 0; i < SERVER_REQUESTS_MAX; i++)
		request_pass(&server->import_request[i].request);
	if (server->watched_since)
		server_request_imports(server, SERVER_REQUESTS_MAX);
	else
		server_poll(server);
}

unsigned server_attached(struct server *server)
{
	unsigned n = 0;

	EACH_IMPORT(server, import)
		n += import_has_port(import);
	return n;
}

bool server_is_settled(struct server *server)
{
	EACH_IMPORT(server, import)
		if (import_is_pending(import))
			return false;
	return server->asked && !request_running(&server->list_request);
}

bool server_is_failing(struct server *server)
{
	EACH_IMPORT(server, import)
		if (import_is_failing(import))
			return true;
	return !server->answered;
}

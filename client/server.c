/* SPDX-License-Identifier: MIT */
/* One server: its list, asked for or pushed, and the imports of its devices. */
#include "client/server.h"

#include "lib/log.h"
#include "lib/str.h"

#include <string.h>
#include <unistd.h>

enum {
	/* a watch that lasted so long was a good one: when it ends, the next may follow at once */
	WATCH_SETTLED_MS = 10000,
	ANSWERS_MS = 10000, /* for so long without a failure, and it is believed to answer again */
};

#define EACH_IMPORT(server, i) for (struct import *i = NULL; (i = next(server, i));)

/* The place in use behind that one, the first for NULL; NULL: there is none. */
static struct import *next(struct server *server, struct import *import)
{
	import = import ? import + 1 : server->import;
	for (; import < server->import + server->imports; import++)
		if (import->endpoint)
			return import;
	return NULL;
}

/* The server's device of that busid, or a place for it; NULL when there is none left. */
static struct import *find(struct server *server, const char *busid)
{
	struct import *place = server->import;

	EACH_IMPORT(server, i)
		if (!strcmp(i->busid, busid))
			return i;
	while (place < server->import + server->imports && place->endpoint)
		place++;
	if (place == server->import + SERVER_IMPORTS_MAX)
		return NULL;
	if (place == server->import + server->imports)
		server->imports++;
	memset(place, 0, sizeof(*place));
	place->endpoint = server->target.endpoint;
	place->importer = server->importer;
	place->port = place->child.pipe.fd = -1;
	session_watch_init(&place->session, server->importer->loop);
	str_format(place->busid, sizeof(place->busid), "%s", busid);
	place->facts.busid = place->busid;
	place->facts.name = place->strings.product;
	place->facts.from = place->endpoint->host;
	place->facts.server = place->endpoint->name;
	return place;
}

static void see(struct request *request, const struct op_device *device,
		const struct op_interface *interface)
{
	struct server *server = request->ctx;
	struct import *import = find(server, device->busid);

	if (import) {
		import_see(import, device, interface);
		return;
	}
	if (!server->full)
		log_warning("%s lists more than %u devices: the others are left alone",
			  server->target.endpoint->name, SERVER_IMPORTS_MAX);
	server->full = true;
}

static void forget_fresh(struct server *server)
{
	EACH_IMPORT(server, i)
		i->fresh = false;
}

static void take_list(struct server *server)
{
	if (!server->answered)
		server->answers = server->importer->loop->now;
	server->answered = server->asked = true;
	EACH_IMPORT(server, i) {
		import_list_whole(i);
		if (import_forgettable(i))
			i->endpoint = NULL;
	}
}

static void list_came(struct server *server)
{
	struct loop *loop = server->importer->loop;

	if (!server->answered)
		server->next_watch = loop->now; /* it may be another one by now */
	take_list(server);
	if (server->hurry)
		backoff_fail(&server->pace, loop->now, loop->interval);
	server->hurry = server->hurry && server->pace.delay < loop->interval;
	server->next_list = server->hurry ? server->pace.until : loop->now + loop->interval;
}

/* What it had may be something else when it is back. */
static void doubt(struct server *server)
{
	EACH_IMPORT(server, i)
		if (i->port < 0 && !i->asking)
			import_doubt(i);
}

static void list_failed(struct server *server, const struct request_result *result)
{
	struct loop *loop = server->importer->loop;
	bool trouble = server->said.outcome != REQUEST_OK;

	/* one that comes and goes has been complained of */
	if (!trouble || (!server->answered && (result->outcome != server->said.outcome ||
					       result->error != server->said.error))) {
		request_log_failure(server->request, result);
		server->said = *result;
	}
	server->asked = true;
	doubt(server);
	if (!trouble)
		backoff_clear(&server->pace);
	server->answered = server->hurry = false;
	backoff_fail(&server->pace, loop->now, loop->interval);
	server->next_list = server->pace.until;
}

static void see_recovery(struct server *server)
{
	struct loop *loop = server->importer->loop;

	if (server->said.outcome == REQUEST_OK || !server->answered)
		return;
	if (loop->now - server->answers < ANSWERS_MS) {
		loop_pass_by(loop, server->answers + ANSWERS_MS);
		return;
	}
	log_info("%s answers again", server->target.endpoint->name);
	server->said.outcome = REQUEST_OK;
}

static void pushed(struct request *request)
{
	struct server *server = request->ctx;
	struct loop *loop = server->importer->loop;

	if (!server->watched) {
		log_debug("%s pushes its list", server->target.endpoint->name);
		server->watched = loop->now;
	}
	take_list(server);
	loop_pass_now(loop);
}

/* Asked as any other server from now on, and at once if it was a good one. */
static void watch_ended(struct server *server, const struct request_result *result)
{
	struct loop *loop = server->importer->loop;
	bool good = server->watched && loop->now - server->watched >= WATCH_SETTLED_MS;

	log_debug("%s does not push its list%s: %s", server->target.endpoint->name,
		  server->watched ? " any more" : "", request_reason(server->request, result));
	server->next_watch = loop->now + (good ? 0 : SERVER_REWATCH_MS);
	server->next_list = loop->now;
	if (server->watched)
		doubt(server);
	server->watched = 0;
	server->hurry = false;
	if (server->said.outcome == REQUEST_OK)
		backoff_clear(&server->pace);
}

static void list_ended(struct request *request, const struct request_result *result, int fd,
		       const struct op_device *device)
{
	struct server *server = request->ctx;

	(void)fd;
	(void)device;
	if (request->op.code == OP_REQ_WATCH)
		watch_ended(server, result);
	else if (result->outcome == REQUEST_OK)
		list_came(server);
	else
		list_failed(server, result);
	forget_fresh(server);
	loop_pass_now(server->importer->loop);
}

static void import_ended(struct request *request, const struct request_result *result, int fd,
			 const struct op_device *device)
{
	struct import *import = request->ctx;

	request->ctx = NULL;
	import->asking = false;
	loop_pass_now(request->loop);
	if (result->outcome != REQUEST_OK) {
		import_failed(import, request_reason(request, result));
		import->refused = result->outcome == REQUEST_REFUSED;
		return;
	}
	if (request->query_device)
		import_learn(import, &request->descriptors);
	if (import_choose(import) != RULE_ALLOW) /* also by what was changed meanwhile */
		close(fd);
	else
		import_attach(import, fd, device);
}

void server_init(struct server *server, struct importer *importer, const struct endpoint *endpoint,
		 const struct psk *key)
{
	server->importer = importer;
	server->target.endpoint = endpoint;
	server->target.key = key;
	server->answered = true;
	for (unsigned i = 0; i <= SERVER_IMPORTS_AT_ONCE; i++) {
		request_init(&server->request[i], importer->loop, &server->target, NULL);
		server->request[i].done = import_ended;
	}
	server->request->ctx = server;
	server->request->record = see;
	server->request->whole = pushed;
	server->request->done = list_ended;
}

void server_adopt(struct server *server, const char *busid, unsigned port)
{
	struct import *import = find(server, busid);

	if (import && import->port < 0)
		import_adopt(import, port);
}

static struct import *next_wanted(struct server *server)
{
	EACH_IMPORT(server, i)
		if (import_wanted(i))
			return i;
	return NULL;
}

static unsigned importing(const struct server *server)
{
	unsigned n = 0;

	for (unsigned i = 1; i <= SERVER_IMPORTS_AT_ONCE; i++)
		n += server->request[i].ctx != NULL;
	return n;
}

static void start_imports(struct server *server)
{
	unsigned most = server->watched ? SERVER_IMPORTS_AT_ONCE : 1;

	for (unsigned i = 1; i <= SERVER_IMPORTS_AT_ONCE; i++) {
		struct request *request = &server->request[i];
		struct import *import;

		if (request->ctx || importing(server) >= most)
			continue;
		import = next_wanted(server);
		if (!import)
			return;
		import->asking = true;
		request->ctx = import;
		request->query_device = import_choose(import) == RULE_UNKNOWN;
		request_start(request, OP_REQ_IMPORT, import->busid);
	}
}

void server_line_up(struct server *server)
{
	EACH_IMPORT(server, i)
		import_line_up(i);
}

static void give_back(struct server *server)
{
	for (unsigned i = 0; i <= SERVER_IMPORTS_AT_ONCE; i++)
		request_cancel(&server->request[i]);
	EACH_IMPORT(server, i)
		if (i->port >= 0)
			import_detach(i);
}

static void start_list(struct server *server, enum op_code code)
{
	log_debug("asking %s", server->target.endpoint->name);
	request_start(server->request, code, NULL);
}

/* One connection at a time: its list when due, imports, and now and then whether it pushes. */
static void poll_pass(struct server *server)
{
	struct loop *loop = server->importer->loop;

	if (request_running(server->request) || importing(server))
		return;
	if (loop->now >= server->next_list) {
		start_list(server, OP_REQ_DEVLIST);
		return;
	}
	loop_pass_by(loop, server->next_list);
	if (!server->answered)
		return;
	start_imports(server);
	if (importing(server) || !server->importer->watch)
		return;
	if (loop->now >= server->next_watch)
		start_list(server, OP_REQ_WATCH);
	else
		loop_pass_by(loop, server->next_watch);
}

void server_pass(struct server *server)
{
	struct loop *loop = server->importer->loop;

	EACH_IMPORT(server, i) {
		if (import_check(i) && !server->watched) {
			server->hurry = true;
			backoff_clear(&server->pace);
			server->next_list = loop->now;
		}
		import_obey(i); /* of what is still ours */
	}
	if (loop->stopping) {
		give_back(server);
		return;
	}
	see_recovery(server);
	for (unsigned i = 0; i <= SERVER_IMPORTS_AT_ONCE; i++)
		request_pass(&server->request[i]);
	if (server->watched)
		start_imports(server);
	else
		poll_pass(server);
}

unsigned server_attached(struct server *server)
{
	unsigned n = 0;

	EACH_IMPORT(server, i)
		n += i->port >= 0;
	return n;
}

bool server_settled(struct server *server)
{
	EACH_IMPORT(server, i)
		if (i->port >= 0 && !i->usable)
			return false;
	return server->asked && !request_running(server->request) && !importing(server) &&
	       (!server->answered || !next_wanted(server));
}

bool server_failing(struct server *server)
{
	EACH_IMPORT(server, i)
		if (i->said)
			return true;
	return !server->answered;
}

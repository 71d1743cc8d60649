/* SPDX-License-Identifier: MIT */
/* The list of a server's devices, requested every interval or pushed by the server. */
#include "client/server.h"
#include "lib/log.h"

enum {
	/* a watch that lasted so long was a good one: when it ends, the next may follow at once */
	WATCH_SETTLED_MS = 10000,
	RECOVERED_MS = 10000, /* for so long without a failure, and it counts as answering again */
};

static void server_list_entry(struct request *request, const struct reply_item *item)
{
	struct import *import = server_import(request->ctx, item->device.busid);

	if (import && !import->listed_next) /* the first one with that bus id counts */
		import_list_entry(import, &item->device, item->interface);
}

static void server_list_complete(struct server *server)
{
	if (!server->answered)
		server->answered_since = server->context->loop->now;
	server->answered = true;
	EACH_IMPORT(server, import)
		import_list_complete(import);
}

static bool server_has_session(const struct server *server)
{
	EACH_IMPORT(server, import)
		if (import_has_port(import))
			return true;
	return false;
}

static void server_list_came(struct server *server)
{
	const struct reply *reply = &server->list_request.reply;
	struct loop *loop = server->context->loop;

	server->answers_beside |= server_has_session(server);
	if (!server->answered) /* another program may answer there by now */
		server->next_watch = loop->now;
	server->marked = reply->marked;
	server->identity = reply->identity;
	server_list_complete(server);
	if (server->hurry)
		backoff_fail(&server->pace, loop->now, loop->interval);
	server->hurry = server->hurry && server->pace.delay < loop->interval;
	server->next_list = server->hurry ? server->pace.until : loop->now + loop->interval;
}

/* When the server answers again, its devices may be others. */
static void server_forget_identities(struct server *server)
{
	EACH_IMPORT(server, import)
		if (import->state == IMPORT_IDLE)
			import_forget_identity(import);
}

static void server_list_failed(struct server *server)
{
	struct loop *loop = server->context->loop;
	bool known = log_once_active(&server->failure);

	/* small servers serve one connection at a time: the end of the session asks for a list */
	if (server->list_request.outcome == REQUEST_SILENT && !server->answers_beside &&
	    server_has_session(server)) {
		server->next_list = server->next_watch = loop->now + SERVER_ENGAGED_MS;
		return;
	}
	/* while it comes and goes, its failures are one failure */
	if (!known || !server->answered)
		request_log_failure(&server->list_request, &server->failure);
	if (!known)
		server->pace = (struct backoff){ 0 };
	server_forget_identities(server);
	server->answered = server->hurry = false;
	backoff_fail(&server->pace, loop->now, loop->interval);
	server->next_list = server->pace.until;
}

void server_list_check_recovery(struct server *server)
{
	struct loop *loop = server->context->loop;

	if (!log_once_active(&server->failure) || !server->answered)
		return;
	if (loop->now - server->answered_since < RECOVERED_MS) {
		loop_pass_by(loop, server->answered_since + RECOVERED_MS);
		return;
	}
	log_info("%s: answers again", server->target.endpoint->name);
	log_once_clear(&server->failure);
}

static void server_list_pushed(struct request *request)
{
	struct server *server = request->ctx;
	struct loop *loop = server->context->loop;

	if (!server->watched_since) {
		log_debug("%s: pushes its list", server->target.endpoint->name);
		server->watched_since = loop->now;
		server->answers_beside = true;
	}
	server_list_complete(server);
	loop_pass_now(loop);
}

/* From now on its list is requested, and a new watch at once if this was a good one. */
static void server_watch_ended(struct server *server)
{
	struct loop *loop = server->context->loop;
	bool settled = server->watched_since &&
		       loop->now - server->watched_since >= WATCH_SETTLED_MS;

	log_debug("%s: does not push its list%s: %s", server->target.endpoint->name,
		  server->watched_since ? " any more" : "", server->list_request.reason);
	server->next_watch = loop->now + (settled ? 0 : SERVER_REWATCH_MS);
	server->next_list = loop->now;
	if (server->watched_since)
		server_forget_identities(server);
	server->watched_since = 0;
	server->hurry = false;
	if (!log_once_active(&server->failure))
		server->pace = (struct backoff){ 0 };
}

static void server_list_done(struct request *request)
{
	struct server *server = request->ctx;

	if (request->op.code == OP_REQ_WATCH)
		server_watch_ended(server);
	else if (request->outcome == REQUEST_OK)
		server_list_came(server);
	else
		server_list_failed(server);
	EACH_IMPORT(server, import)
		import->listed_next = false;
	loop_pass_now(server->context->loop);
}

void server_init(struct server *server, struct import_context *context,
		 const struct endpoint *endpoint)
{
	server->context = context;
	server->target.endpoint = endpoint;
	request_init(&server->list_request, context->loop, &server->target, server);
	server->list_request.record = server_list_entry;
	server->list_request.whole = server_list_pushed;
	server->list_request.done = server_list_done;
}

void server_list_request(struct server *server, enum op_code code)
{
	log_debug("%s: requesting %s", server->target.endpoint->name,
		  code == OP_REQ_WATCH ? "a watch" : "the device list");
	request_start(&server->list_request, code, NULL);
}

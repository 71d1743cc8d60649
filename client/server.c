/* SPDX-License-Identifier: MIT */
/* One server: asked for its list every interval, its devices imported one after the other. */
#include "client/server.h"

#include "loop/log.h"
#include "proto/text.h"

#include <string.h>

#define EACH_IMPORT(server, i)                                                                     \
	for (struct import *i = (server)->import; i < (server)->import + SERVER_IMPORTS_MAX; i++)  \
		if (i->endpoint)

static struct server *of_exchange(struct exchange *exchange)
{
	return (struct server *)(void *)((char *)exchange - offsetof(struct server, exchange));
}

/* The server's device of that busid, or a place for it; NULL when there is none left. */
static struct import *find(struct server *server, const char *busid)
{
	struct import *place = NULL;

	for (unsigned i = SERVER_IMPORTS_MAX; i--;) {
		struct import *import = &server->import[i];

		if (!import->endpoint)
			place = import;
		else if (!strcmp(import->busid, busid))
			return import;
	}
	if (!place)
		return NULL;
	memset(place, 0, sizeof(*place));
	place->endpoint = server->exchange.endpoint;
	place->importer = server->importer;
	place->port = place->session.fd = -1;
	text_format(place->busid, sizeof(place->busid), "%s", busid);
	return place;
}

static void see(struct exchange *exchange, const struct op_device *device,
		const struct op_interface *interface)
{
	struct server *server = of_exchange(exchange);
	struct import *import = find(server, device->busid);

	(void)interface;
	if (!import) {
		if (!server->full)
			log_warnx("%s lists more than %u devices: the others are left alone",
				  exchange->endpoint->name, SERVER_IMPORTS_MAX);
		server->full = true;
		return;
	}
	import->fresh = true;
	import->speed = device->speed;
	import->vendor = device->vendor;
	import->product = device->product;
}

static void list_came(struct server *server)
{
	struct loop *loop = server->importer->loop;

	if (!server->answered)
		log_info("%s answers again", server->exchange.endpoint->name);
	server->answered = true;
	server->said.outcome = EXCHANGE_OK;
	EACH_IMPORT(server, i) {
		i->listed = i->fresh;
		if (!i->listed && i->port < 0)
			i->endpoint = NULL;
	}
	if (server->hurry)
		backoff_fail(&server->pace, loop->now, loop->interval);
	server->hurry = server->hurry && server->pace.delay < loop->interval;
	server->next_list = server->hurry ? server->pace.until : loop->now + loop->interval;
}

static void list_failed(struct server *server, const struct exchange_result *result)
{
	struct loop *loop = server->importer->loop;

	if (result->outcome != server->said.outcome || result->error != server->said.error)
		exchange_complain(&server->exchange, result);
	server->said = *result;
	if (server->answered)
		backoff_clear(&server->pace);
	server->answered = server->hurry = false;
	backoff_fail(&server->pace, loop->now, loop->interval);
	server->next_list = server->pace.until;
}

static void exchange_ended(struct exchange *exchange, const struct exchange_result *result, int fd,
			   const struct op_device *device)
{
	struct server *server = of_exchange(exchange);
	struct import *import = server->importing;

	server->importing = NULL;
	if (import && result->outcome == EXCHANGE_OK) {
		import_attach(import, fd, device);
	} else if (import) {
		import_failed(import, exchange_reason(exchange, result));
	} else {
		server->asked = true;
		if (result->outcome == EXCHANGE_OK)
			list_came(server);
		else
			list_failed(server, result);
	}
	loop_pass_now(server->importer->loop);
}

void server_init(struct server *server, struct importer *importer, const struct endpoint *endpoint)
{
	server->importer = importer;
	server->answered = true;
	server->exchange.record = see;
	server->exchange.done = exchange_ended;
	exchange_init(&server->exchange, importer->loop, endpoint);
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

static void start_list(struct server *server)
{
	EACH_IMPORT(server, i)
		i->fresh = false;
	log_debug("asking %s", server->exchange.endpoint->name);
	exchange_start(&server->exchange, NULL);
}

void server_line_up(struct server *server)
{
	EACH_IMPORT(server, i)
		import_line_up(i);
}

static void give_back(struct server *server)
{
	exchange_cancel(&server->exchange);
	EACH_IMPORT(server, i)
		if (i->port >= 0)
			import_detach(i);
}

void server_pass(struct server *server)
{
	struct loop *loop = server->importer->loop;

	EACH_IMPORT(server, i)
		if (import_check(i)) {
			server->hurry = true;
			backoff_clear(&server->pace);
			server->next_list = loop->now;
		}
	if (loop->stopping) {
		give_back(server);
		return;
	}
	exchange_pass(&server->exchange);
	if (exchange_running(&server->exchange))
		return;
	if (loop->now >= server->next_list) {
		start_list(server);
		return;
	}
	loop_pass_by(loop, server->next_list);
	server->importing = server->answered ? next_wanted(server) : NULL;
	if (server->importing)
		exchange_start(&server->exchange, server->importing->busid);
}

unsigned server_attached(const struct server *server)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SERVER_IMPORTS_MAX; i++)
		n += server->import[i].endpoint && server->import[i].port >= 0;
	return n;
}

bool server_settled(struct server *server)
{
	return server->asked && !exchange_running(&server->exchange) &&
	       (!server->answered || !next_wanted(server));
}

bool server_failing(const struct server *server)
{
	bool failing = !server->answered;

	for (unsigned i = 0; i < SERVER_IMPORTS_MAX; i++)
		failing = failing || (server->import[i].endpoint && server->import[i].said);
	return failing;
}

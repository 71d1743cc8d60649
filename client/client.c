/* SPDX-License-Identifier: MIT */
/* The client role: its servers, pass after pass, and the ports of an earlier daemon. */
#include "client/client.h"

#include "client/callers.h"
#include "client/places.h"
#include "client/port_record.h"
#include "client/server.h"
#include "lib/log.h"
#include "lib/str.h"
#include "lib/util.h"
#include "sysfs/kernel.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STOP_MS = 10000 /* for all ports to become free; hooks have their own, longer time */ };

struct client {
	unsigned servers; /* those that are configured, then the others */
	unsigned others;  /* those that connect, or are removed */
	struct log_once overflow; /* there are too many servers */
	bool adopted;  /* the first pass has adopted the ports of an earlier daemon */
	struct daemon daemon;
	struct import_context imports;
	struct ssh ssh;
	struct places places;
	const struct endpoint *accept; /* where servers connect; NULL: nowhere */
	struct callers callers;
	struct server server[2 * CLIENT_SERVERS_MAX];
	struct endpoint other_endpoint[CLIENT_SERVERS_MAX];
	char record_dir[PATH_MAX];
	char keep_dir[PATH_MAX]; /* in it: `usbip detach` removes record_dir whenever it is empty */
};

#define EACH_SERVER(client, server_)                                                               \
	for (struct server *server_ = (client)->server;                                            \
	     server_ < (client)->server + (client)->servers; server_++)

/* The server of that host and port, a new one if there is none. NULL: there are too many. */
static struct server *client_find_server(struct client *client, const char *host, const char *port)
{
	struct endpoint *endpoint = &client->other_endpoint[client->others];
	struct server *other = &client->server[client->servers];

	EACH_SERVER(client, server)
		if (!strcmp(server->target.endpoint->host, host) &&
		    !strcmp(server->target.endpoint->port, port))
			return server;
	if (client->others == CLIENT_SERVERS_MAX)
		return NULL;
	str_copy(endpoint->host, sizeof(endpoint->host), host);
	str_copy(endpoint->port, sizeof(endpoint->port), port);
	str_format(endpoint->name, sizeof(endpoint->name), strchr(host, ':') ? "[%s]:%s" : "%s:%s",
		   host, port);
	client->others++;
	client->servers++;
	server_init(other, &client->imports, endpoint);
	if (client->accept && !strcmp(client->accept->port, port) &&
	    callers_expect(&client->callers, host)) {
		other->target.callers = &client->callers;
	} else {
		other->removed = true;
		log_info("%s: is no longer configured: its devices are detached", endpoint->name);
	}
	return other;
}

static void client_caller_ready(struct callers *callers, const char *name, const struct psk *key)
{
	struct client *client = container_of(callers, struct client, callers);
	struct server *server = client_find_server(client, name, client->accept->port);

	if (!server) {
		log_once(&client->overflow, LOG_LEVEL_WARNING, 0,
			 "%s connects, but there are too many servers", name);
	} else if (server->target.callers) { /* else the client connects to it itself */
		server->target.key = key;
		server_came(server);
	}
}

/*
 * A port that an earlier daemon attached has a record in the run directory. The same record stands
 * in the stock tools' directory, unless somebody attached another device there since. After a kill
 * in the middle of an attach or a detach, one of the two may be missing or outdated: it is made
 * good.
 */
static void client_adopt_port(struct client *client, unsigned port)
{
	struct import_context *imports = &client->imports;
	struct record own = { .host = "" }, stock = { .host = "" };
	struct import *import;
	struct server *server;
	bool has_own = record_read(imports->own_dir, port, &own, NULL);
	bool has_stock = has_own && record_read(imports->record_dir, port, &stock, NULL);
	bool same = has_stock && !memcmp(&own, &stock, sizeof(own));
	bool free = imports->vhci.port[port].state <= VHCI_FREE;

	if (free && same)
		record_remove(imports->record_dir, port);
	if (!has_own || free || client->daemon.rundir.stale || (has_stock && !same)) {
		record_remove(imports->own_dir, port);
		guard_forget(imports->own_dir, port);
		return;
	}
	server = client_find_server(client, own.host, own.tcp_port);
	if (!server) /* an earlier daemon had no more */
		return;
	if (!has_stock)
		record_write(imports->record_dir, port, server->target.endpoint, own.busid, NULL);
	import = server_import(server, own.busid);
	if (import && !import_has_port(import))
		import_adopt(import, port);
}

/* When a stop no longer waits for ports to become free. */
static uint64_t client_ports_deadline(const struct client *client)
{
	return client->daemon.stop_by - IMPORT_LAST_SYNC_MS;
}

/* A server of which an earlier one is another name is not used. */
static void client_set_first(struct client *client, struct server *server)
{
	struct server *first = client->server;

	while (first < server && !server_is_same(first, server))
		first++;
	server_set_first(server, first < server ? first : NULL);
}

static void client_pass(void *ctx)
{
	struct client *client = ctx;
	struct import_context *imports = &client->imports;

	if (!daemon_check_driver(&client->daemon, vhci_read(imports->sysfs, &imports->vhci)))
		return;
	for (unsigned i = 0; !client->adopted && i < imports->vhci.ports; i++)
		client_adopt_port(client, i);
	client->adopted = true;
	if (daemon_reload(&client->daemon, &imports->rules, &imports->holds))
		callers_drop(&client->callers);
	callers_pass(&client->callers);
	import_context_begin_pass(imports);
	EACH_SERVER(client, server)
		client_set_first(client, server);
	EACH_SERVER(client, server) {
		if (!server->target.callers)
			server->target.key = keys_for(client->daemon.options->keys,
						      server->target.endpoint->host);
		server_pass(server);
	}
	import_context_end_pass(imports);
	places_save(&client->places, imports->port_owner);
	if (client->daemon.options->wait_until > imports->loop->now)
		loop_pass_by(imports->loop, client->daemon.options->wait_until);
	if (imports->loop->stopping && imports->loop->now < client_ports_deadline(client))
		loop_pass_by(imports->loop, client_ports_deadline(client));
}

static void client_stop(void *ctx)
{
	struct client *client = ctx;

	callers_close(&client->callers);
	import_context_stop(&client->imports);
}

static void client_answered(struct inspector *inspector)
{
	struct client *client = container_of(inspector, struct daemon, inspector)->ctx;

	import_context_answered(&client->imports);
}

/* How many devices are attached, besides those that are kept, or all. */
static unsigned client_attached(struct client *client, bool all)
{
	struct import *import = NULL;
	unsigned n = 0;

	while ((import = import_next(&client->imports, NULL, import)))
		n += import_has_port(import) && (all || import->state != IMPORT_KEPT);
	return n;
}

/* With --wait: whether each device that is allowed is attached, and there is one. Else lacks says
 * what is missing. */
static bool client_is_complete(struct client *client, struct reason *lacks)
{
	unsigned attached = 0;

	EACH_SERVER(client, server)
		if (!server_is_complete(server, &attached, lacks))
			return false;
	str_copy(lacks->text, sizeof(lacks->text), "no server has a device that is allowed");
	return attached;
}

/* With --once the loop ends when all is done that can be done now, or with --wait at all. */
static bool client_done(void *ctx)
{
	struct client *client = ctx;
	struct daemon *daemon = &client->daemon;
	uint64_t wait_until = daemon->options->wait_until;
	struct reason lacks;

	if (client->imports.sync != IMPORT_SYNC_DONE || daemon->runner.waiting)
		return false;
	if (daemon->loop.stopping)
		return daemon->loop.now >= client_ports_deadline(client) ||
		       (client->adopted && !client_attached(client, false));
	if (!daemon->options->once || daemon->loop.next <= daemon->loop.now)
		return false;
	if (wait_until)
		return daemon->loop.now >= wait_until || client_is_complete(client, &lacks);
	EACH_SERVER(client, server)
		if (!server_is_settled(server))
			return false;
	return true;
}

static int client_exit_status(struct client *client)
{
	bool failing = client->daemon.lost;
	unsigned left = client_attached(client, false);
	struct reason lacks;

	if (client->daemon.options->wait_until) {
		if (client_is_complete(client, &lacks))
			return 0;
		log_error("what was waited for is not there: %s", lacks.text);
		failing = true;
	} else if (!client->daemon.loop.stopping) {
		EACH_SERVER(client, server)
			failing |= server_is_failing(server);
	} else if (left) {
		log_warning("%u devices are still attached", left);
		failing = true;
	}
	return failing;
}

/* No kernel is behind a test's tree. */
static bool kernel_needs_guard(const struct sysfs *sysfs)
{
	return !sysfs->fake && kernel_has_fault(kernel_version(sysfs), KERNEL_FAULT_VHCI);
}

static void client_init(struct client *client, const struct daemon_options *options,
			enum guard_mode guard, const struct endpoint *server, unsigned servers)
{
	struct import_context *imports = &client->imports;

	record_stock_dir(client->record_dir, sizeof(client->record_dir), options->run);
	str_format(client->keep_dir, sizeof(client->keep_dir), "%s/usbiphp", client->record_dir);
	imports->loop = &client->daemon.loop;
	imports->inspector = &client->daemon.inspector;
	imports->sysfs = &client->daemon.sysfs;
	imports->hooks = &client->daemon.runner;
	imports->record_dir = client->record_dir;
	imports->own_dir = options->run;
	imports->dead_after = options->dead_after;
	imports->watch_lists = !options->once || options->wait_until;
	imports->guard_proven = guard == GUARD_ON;
	imports->guard_others = guard == GUARD_AUTO ? kernel_needs_guard(imports->sysfs)
						    : guard == GUARD_ON;
	client->servers = servers;
	for (unsigned i = 0; i < servers; i++) {
		server_init(&client->server[i], imports, &server[i]);
		client->server[i].target.ssh = &client->ssh;
	}
}

/* Listens for servers. 0, or -errno after one line. */
static int client_open_callers(struct client *client, const struct endpoint *accept)
{
	struct callers *callers = &client->callers;
	struct addresses addresses;
	int error;

	if (!accept)
		return 0;
	client->accept = accept;
	callers->keys = client->daemon.options->keys;
	callers->dead_after = client->daemon.options->dead_after;
	callers->ready = client_caller_ready;
	resolve_address(accept, &addresses);
	error = addresses.error ? -addresses.error : callers_open(callers, &client->daemon.loop,
							      &addresses.address[0]);
	if (error)
		log_error_errno(error, "cannot listen on %s", accept->name);
	return error;
}

int client_run(const struct daemon_options *options, enum guard_mode guard,
	       const struct endpoint *accept, const struct endpoint *server, unsigned servers)
{
	static const struct daemon_role role = {
		.driver = { VHCI_MODULE, vhci_check, false },
		.name = "client",
		.uevents = UEVENT_IMPORTED,
		.stop_ms = STOP_MS + IMPORT_LAST_SYNC_MS,
		.loop = { client_pass, client_stop, client_done },
	};
	static struct client client;
	int status = daemon_open(&client.daemon, options, &role, &client.imports.rules, &client);
	int error;

	if (status)
		return status;
	/* before the sandbox */
	error = ssh_start(&client.ssh, server, servers);
	if (error)
		log_error_errno(error, "cannot start ssh");
	client.daemon.inspector.answered = client_answered;
	client_init(&client, options, guard, server, servers);
	if (client_open_callers(&client, accept)) {
		daemon_close(&client.daemon, true);
		return 1;
	}
	places_open(&client.places, options->run, client.imports.port_owner);
	mkdir(client.record_dir, 0700);
	mkdir(client.keep_dir, 0700);
	daemon_run(&client.daemon, client.record_dir, server, servers);
	close(client.places.fd);
	close(client.ssh.fd);
	rmdir(client.keep_dir);
	rmdir(client.record_dir); /* fails while there are records, as it should */
	status = client_exit_status(&client);
	daemon_close(&client.daemon, client_attached(&client, true));
	return status;
}

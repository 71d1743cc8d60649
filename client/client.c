/* SPDX-License-Identifier: MIT */
/* The client role: its servers, pass after pass, and the ports of an earlier daemon. */
#include "client/client.h"

#include "client/port_record.h"
#include "client/server.h"
#include "lib/log.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STOP_MS = 10000 /* for all ports to become free */ };

struct client {
	unsigned servers;
	bool uses_ssh; /* to reach one of them at least */
	bool adopted;  /* the first pass has adopted the ports of an earlier daemon */
	struct daemon daemon;
	struct import_context imports;
	struct server server[CLIENT_SERVERS_MAX];
	char record_dir[PATH_MAX];
};

#define EACH_SERVER(client, server_)                                                               \
	for (struct server *server_ = (client)->server;                                            \
	     server_ < (client)->server + (client)->servers; server_++)

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
	bool has_own = record_read(imports->own_dir, port, &own, NULL);
	bool has_stock = has_own && record_read(imports->record_dir, port, &stock, NULL);
	bool same = has_stock && !memcmp(&own, &stock, sizeof(own));
	bool free = imports->vhci.port[port].state <= VHCI_FREE;

	if (free && same)
		record_remove(imports->record_dir, port);
	if (!has_own || free || client->daemon.rundir.stale || (has_stock && !same)) {
		record_remove(imports->own_dir, port);
		return;
	}
	EACH_SERVER(client, server) {
		const struct endpoint *endpoint = server->target.endpoint;

		if (strcmp(endpoint->host, own.host) != 0 ||
		    strcmp(endpoint->port, own.tcp_port) != 0)
			continue;
		if (!has_stock)
			record_write(imports->record_dir, port, endpoint, own.busid, NULL);
		import = server_import(server, own.busid);
		if (import && !import_has_port(import))
			import_adopt(import, port);
		return;
	}
	log_info("port %u: detaching it: %s is no longer configured", port, own.host);
	vhci_detach(imports->sysfs, port);
	record_remove(imports->record_dir, port);
	record_remove(imports->own_dir, port);
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
	daemon_reload(&client->daemon, &imports->rules, &imports->holds);
	import_context_begin_pass(imports);
	EACH_SERVER(client, server)
		server_pass(server);
}

static unsigned client_attached(struct client *client)
{
	struct import *import = NULL;
	unsigned n = 0;

	while ((import = import_next(&client->imports, NULL, import)))
		n += import_has_port(import);
	return n;
}

/* With --once the loop ends when all is done that can be done now. */
static bool client_done(void *ctx)
{
	struct client *client = ctx;
	struct daemon *daemon = &client->daemon;

	if (daemon->runner.waiting)
		return false;
	if (daemon->loop.stopping)
		return client->adopted && !client_attached(client);
	if (!daemon->options->once || daemon->loop.next <= daemon->loop.now)
		return false;
	EACH_SERVER(client, server)
		if (!server_is_settled(server))
			return false;
	return true;
}

static int client_exit_status(struct client *client)
{
	bool failing = client->daemon.lost;
	unsigned left = client_attached(client);

	if (!client->daemon.loop.stopping) {
		EACH_SERVER(client, server)
			failing |= server_is_failing(server);
	} else if (left) {
		log_warning("%u devices are still attached", left);
		failing = true;
	}
	return failing;
}

static void client_init(struct client *client, const struct daemon_options *options,
			const struct endpoint *server, unsigned servers)
{
	struct import_context *imports = &client->imports;

	record_stock_dir(client->record_dir, sizeof(client->record_dir), options->run);
	imports->loop = &client->daemon.loop;
	imports->sysfs = &client->daemon.sysfs;
	imports->hooks = &client->daemon.runner;
	imports->record_dir = client->record_dir;
	imports->own_dir = options->run;
	imports->dead_after = options->dead_after;
	imports->watch_lists = !options->once;
	client->servers = servers;
	for (unsigned i = 0; i < servers; i++) {
		server_init(&client->server[i], imports, &server[i], keys_own(options->keys));
		client->uses_ssh |= *server[i].through != '\0';
	}
}

int client_run(const struct daemon_options *options, const struct endpoint *server,
	       unsigned servers)
{
	static const struct daemon_role role = {
		.driver = { VHCI_MODULE, vhci_check },
		.name = "client",
		.uevents = UEVENT_IMPORTED,
		.stop_ms = STOP_MS,
		.loop = { .pass = client_pass, .done = client_done },
	};
	static struct client client;
	int status = daemon_open(&client.daemon, options, &role, &client.imports.rules, &client);

	if (status)
		return status;
	client_init(&client, options, server, servers);
	mkdir(client.record_dir, 0700);
	daemon_run(&client.daemon, client.record_dir, client.uses_ssh);
	rmdir(client.record_dir); /* fails while there are records, as it should */
	status = client_exit_status(&client);
	daemon_close(&client.daemon, client_attached(&client));
	return status;
}

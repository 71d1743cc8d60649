/* SPDX-License-Identifier: MIT */
/* The client role: every device that a server publishes is attached here, and kept so. */
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
	bool adopted; /* the first pass has adopted the ports of an earlier daemon */
	struct daemon daemon;
	struct import_context imports;
	struct server server[CLIENT_SERVERS_MAX];
	char record_dir[PATH_MAX];
};

#define EACH_SERVER(client, server_)                                                               \
	for (struct server *server_ = (client)->server;                                            \
	     server_ < (client)->server + (client)->servers; server_++)

static struct server *client_find_server(struct client *client, const struct record *record)
{
	EACH_SERVER(client, server)
		if (!strcmp(server->target.endpoint->host, record->host) &&
		    !strcmp(server->target.endpoint->port, record->tcp_port))
			return server;
	return NULL;
}

static void client_detach_port(struct client *client, unsigned port, const char *host)
{
	const struct import_context *imports = &client->imports;

	log_info("port %u: detaching it: %s is no longer configured", port, host);
	vhci_detach(imports->sysfs, port);
	record_remove(imports->record_dir, port);
	record_remove(imports->own_dir, port);
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
	struct record own, stock;
	bool has_own = record_read(imports->own_dir, port, &own);
	bool has_stock = has_own && record_read(imports->record_dir, port, &stock);
	bool same = has_own && record_matches(imports->record_dir, port, own.host, own.tcp_port,
					      own.busid);
	bool free = imports->vhci.port[port].state <= VHCI_FREE;
	struct server *server;

	if (free && same)
		record_remove(imports->record_dir, port);
	if (!has_own || free || client->daemon.rundir.stale || (has_stock && !same)) {
		record_remove(imports->own_dir, port);
		return;
	}
	if (!has_stock)
		record_write(imports->record_dir, port, own.host, own.tcp_port, own.busid, NULL);
	server = client_find_server(client, &own);
	if (server)
		server_adopt(server, own.busid, port);
	else
		client_detach_port(client, port, own.host);
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
	unsigned n = 0;

	EACH_SERVER(client, server)
		n += server_attached(server);
	return n;
}

static bool client_is_settled(struct client *client)
{
	EACH_SERVER(client, server)
		if (!server_is_settled(server))
			return false;
	return true;
}

/* With --once the loop ends when all is done that can be done now. */
static bool client_done(void *ctx)
{
	struct client *client = ctx;
	struct daemon *daemon = &client->daemon;

	if (daemon->loop.stopping)
		return client->adopted && !client_attached(client) && !daemon->runner.waiting;
	return daemon->options->once && daemon->loop.next > daemon->loop.now &&
	       client_is_settled(client) && !daemon->runner.waiting;
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

/* Whether any of the servers is reached through ssh. */
static bool any_through_ssh(const struct endpoint *server, unsigned servers)
{
	for (unsigned i = 0; i < servers; i++)
		if (*server[i].through)
			return true;
	return false;
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
	for (unsigned i = 0; i < servers; i++)
		server_init(&client->server[i], imports, &server[i], keys_own(options->keys));
}

int client_run(const struct daemon_options *options, const struct endpoint *server,
	       unsigned servers)
{
	static const struct daemon_role role = {
		.driver = { VHCI_MODULE, vhci_check },
		.name = "client",
		.vhci_events = true,
		.stop_ms = STOP_MS,
		.loop = { .pass = client_pass, .done = client_done },
	};
	static struct client client;
	int status = daemon_open(&client.daemon, options, &role, &client.imports.rules, &client);

	if (status)
		return status;
	client_init(&client, options, server, servers);
	mkdir(client.record_dir, 0700);
	daemon_run(&client.daemon, client.record_dir, any_through_ssh(server, servers));
	rmdir(client.record_dir); /* fails while there are records, as it should */
	status = client_exit_status(&client);
	daemon_close(&client.daemon, client_attached(&client));
	return status;
}

/* SPDX-License-Identifier: MIT */
/* usbiphp status: exported, imported and held devices, once or again after every change. */
#include "cmd/cmd.h"
#include "cmd/table.h"
#include "lib/log.h"
#include "lib/str.h"
#include "lib/util.h"
#include "policy/holds.h"
#include "sysfs/stub.h"
#include "sysfs/uevent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
	STATUS_INTERVAL_MS = 1000,
	STATUS_EVENT_MS = 100, /* from an event to the next pass, so that a burst makes one */
};

enum { SERVER, CLIENT, ROLES };
static const char roles[ROLES][7] = { "server", "client" };

struct status {
	const struct daemon_options *options;
	struct inventory *inventory;
	struct selection exported, imported;
	bool has_stub, has_vhci;
	bool runs[ROLES];
	struct holds holds[ROLES];
	struct table table;

	/* with --watch */
	bool watch;
	bool terminal; /* stdout is one: the screen is cleared, and redrawn in every pass */
	bool ended;
	uint32_t shown; /* table.hash of the latest output */
	struct loop loop;
	struct loop_source uevents, output;
};

static const char *json_bool(bool value)
{
	return value ? "true" : "false";
}

/* Completes the scan of local devices with everything else that is shown. */
static void status_read(struct status *status)
{
	const struct sysfs *sysfs = &status->inventory->sysfs;
	const char *run = status->options->run;
	int error;

	status->has_stub = !sysfs_can_open(sysfs, O_PATH, "bus/usb/drivers/" STUB_DRIVER);
	inventory_select(status->inventory, &status->exported, entry_is_exported);
	SELECTION_EACH(&status->exported, e)
		entry_read_export(*e, sysfs, run, "available");
	error = inventory_select_imported(status->inventory, &status->imported, run);
	status->has_vhci = error != -ENOENT;
	for (unsigned i = 0; i < ROLES; i++) {
		status->runs[i] = rundir_has_daemon(run, roles[i]);
		if (holds_read(&status->holds[i], status->options->config, roles[i]))
			status->holds[i].len = 0;
	}
}

static void status_put_json(struct status *status)
{
	struct table *table = &status->table;

	table_format(table,
		     "{\"version\":1,\"server_running\":%s,\"client_running\":%s,"
		     "\"usbip_host\":%s,\"vhci_hcd\":%s,\"exported\":",
		     json_bool(status->runs[SERVER]), json_bool(status->runs[CLIENT]),
		     json_bool(status->has_stub), json_bool(status->has_vhci));
	table_put_devices(table, TABLE_EXPORTED, &status->exported);
	table_put(table, ",\"imported\":");
	table_put_devices(table, TABLE_IMPORTED, &status->imported);
	for (unsigned i = 0; i < ROLES; i++) {
		const char *name = NULL, *before = "";

		table_format(table, "%s\"%s\":[", i ? "]," : ",\"held\":{", roles[i]);
		while ((name = holds_next(&status->holds[i], name))) {
			table_put(table, before);
			table_put_json_string(table, name);
			before = ",";
		}
	}
	table_put(table, "]}}\n");
}

static void status_put_text(struct status *status)
{
	struct table *table = &status->table;

	if (status->terminal)
		table_put(table, "\033[H\033[J"); /* ECMA-48: cursor home, erase to the end */
	table_format(table, "server: %srunning, client: %srunning\n",
		     status->runs[SERVER] ? "" : "not ", status->runs[CLIENT] ? "" : "not ");
	table_format(table, "\nexported:%s\n",
		     status->exported.count ? "" :
		     status->has_stub	    ? " nothing" :
					      " no usbip-host here");
	table_put_devices(table, TABLE_EXPORTED, &status->exported);
	table_format(table, "\nimported:%s\n",
		     status->imported.count ? "" :
		     status->has_vhci	    ? " nothing" :
					      " no vhci-hcd here");
	table_put_devices(table, TABLE_IMPORTED, &status->imported);
	if (status->holds[SERVER].len || status->holds[CLIENT].len || status->watch)
		table_put(table, "\n");
	for (unsigned i = 0; i < ROLES; i++)
		for (const char *name = NULL; (name = holds_next(&status->holds[i], name));)
			table_put_line(table, "held (%s): %s", roles[i], name);
}

static void status_put(struct status *status)
{
	if (status->table.json)
		status_put_json(status);
	else
		status_put_text(status);
}

/* Prints the status unless the same is shown already. */
static void status_print(struct status *status)
{
	struct table *table = &status->table;

	status_read(status);
	table->hash = STR_HASH;
	table->hashing = true;
	status_put(status);
	table->hashing = false;
	if (status->terminal || table->hash != status->shown)
		status_put(status);
	status->shown = table->hash;
	table_flush(table);
}

static void status_pass(void *ctx)
{
	struct status *status = ctx;

	status->ended = inventory_scan(status->inventory) != 0;
	if (!status->ended)
		status_print(status);
}

static void status_stop(void *ctx)
{
	struct status *status = ctx;

	status->ended = true;
}

static bool status_is_done(void *ctx)
{
	const struct status *status = ctx;

	return status->ended || status->table.failed;
}

static void status_output_closed(struct loop_source *source, uint32_t events)
{
	(void)events;
	container_of(source, struct status, output)->ended = true;
}

static void status_uevents_ready(struct loop_source *source, uint32_t events)
{
	struct loop *loop = &container_of(source, struct status, uevents)->loop;

	(void)events;
	while (uevent_receive(source->fd) >= 0)
		;
	loop_pass_by(loop, loop->now + STATUS_EVENT_MS);
}

static int status_watch(struct status *status)
{
	static const struct loop_role role = { status_pass, status_stop, status_is_done };
	struct loop *loop = &status->loop;
	struct winsize size;
	sigset_t signals;
	int error = loop_open(loop, STATUS_INTERVAL_MS, &role, status);

	if (error) {
		log_error_errno(error, "cannot start");
		return 1;
	}
	status->terminal = !status->table.json && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	status->table.stop = signalfd(-1, &signals, SFD_CLOEXEC); /* polled, never read */
	status->output = (struct loop_source){ STDOUT_FILENO, status_output_closed };
	status->uevents = (struct loop_source){ uevent_open(), status_uevents_ready };
	loop_watch(loop, &status->output, 0); /* EPOLLERR: the reader is gone. Fails for a file. */
	if (status->uevents.fd >= 0)
		loop_watch(loop, &status->uevents, EPOLLIN);
	loop_run(loop);
	return 0;
}

int cmd_status(const struct daemon_options *options, struct inventory *inventory, bool json,
	       bool watch)
{
	static struct status status;

	status.options = options;
	status.inventory = inventory;
	status.table.json = json;
	status.watch = watch;
	if (inventory_open(inventory, options->sysfs))
		return 1;
	if (watch)
		return status_watch(&status);
	status_print(&status);
	return 0;
}

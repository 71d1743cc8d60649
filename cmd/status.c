/* SPDX-License-Identifier: MIT */
/* usbiphp status: exported, imported and held devices, once or again after every change. */
#include "cmd/cmd.h"

#include "client/guard.h"
#include "cmd/table.h"
#include "lib/log.h"
#include "lib/str.h"
#include "policy/holds.h"
#include "sysfs/stub.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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
	struct engine_note engine; /* of the server */
	bool runs[ROLES];
	struct holds holds[ROLES];
	struct table table;

	/* with --watch */
	bool watch;
	bool terminal;	/* stdout is one: the screen is cleared, and redrawn in every pass */
	uint32_t shown; /* table.hash of the latest output */
};

/* Completes the scan of local devices with everything else that is shown. */
static void status_read(struct status *status)
{
	const struct sysfs *sysfs = &status->inventory->sysfs;
	const char *run = status->options->run;
	int error;

	engine_note_read(&status->engine, run);
	status->has_stub = !sysfs_can_open(sysfs, O_PATH, "bus/usb/drivers/" STUB_DRIVER);
	inventory_read_holders(status->inventory, run);
	inventory_read_stuck(status->inventory, run);
	for (unsigned i = 0; i < ROLES; i++) {
		status->runs[i] = rundir_has_daemon(run, roles[i]);
		if (holds_read(&status->holds[i], status->options->config, roles[i]))
			status->holds[i].len = 0;
	}
	if (status->runs[SERVER])
		inventory_read_offered(status->inventory, run);
	inventory_select(status->inventory, &status->exported, true);
	SELECTION_EACH(&status->exported, e)
		entry_read_export(*e, sysfs, run, "available");
	error = inventory_select_imported(status->inventory, &status->imported, run);
	if (status->imported.count)
		inventory_read_nodes(status->inventory);
	status->has_vhci = error != -ENOENT;
}

/* For how long URBs of a device with a guard were on the way. before is what goes in front of
 * the next one in JSON. */
static void status_put_times(struct status *status, unsigned port, const char **before)
{
	static const char json[] = "%s{\"port\":%u,\"endpoint\":\"0x%02x\",\"median_us\":%ju,"
				   "\"p99_us\":%ju}";
	static const char text[] = "%sport %u, endpoint 0x%02x: half of the URBs took up to "
				   "%ju us, 99 %% up to %ju us\n";
	static struct guard_page page;
	struct table *table = &status->table;

	if (!guard_read(status->options->run, port, &page))
		return;
	for (unsigned i = 0; i < GUARD_ENDPOINTS; i++) {
		uintmax_t median = guard_time(&page.endpoint[i], 500);
		uintmax_t p99 = guard_time(&page.endpoint[i], 990);
		unsigned endpoint = i < GUARD_ENDPOINTS / 2 ? i : i - GUARD_ENDPOINTS / 2 + 0x80;

		if (!median)
			continue;
		table_format(table, table->json ? json : text, *before, port, endpoint, median,
			     p99);
		*before = table->json ? "," : "";
	}
}

static void status_put_latency(struct status *status)
{
	const char *before = "";

	if (status->table.hashing) /* it changes all the time */
		return;
	SELECTION_EACH(&status->imported, e)
		if ((*e)->guarded)
			status_put_times(status, (unsigned)(*e)->port, &before);
}

static void status_put_json(struct status *status)
{
	static const char word[][6] = { "false", "true" };
	struct table *table = &status->table;

	table_format(table,
		     "{\"version\":1,\"server_running\":%s,\"client_running\":%s,"
		     "\"usbip_host\":%s,\"vhci_hcd\":%s",
		     word[status->runs[SERVER]], word[status->runs[CLIENT]],
		     word[status->has_stub], word[status->has_vhci]);
	table_put_engine(table, &status->engine);
	table_put(table, ",\"exported\":");
	table_put_devices(table, TABLE_EXPORTED, &status->exported);
	table_put(table, ",\"imported\":");
	table_put_devices(table, TABLE_IMPORTED, &status->imported);
	table_put(table, ",\"latency\":[");
	status_put_latency(status);
	table_put(table, "]");
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

static void status_put_section(struct table *table, enum table_layout layout, const char *title,
			       const struct selection *devices, const char *none)
{
	table_format(table, "\n%s:%s\n", title, devices->count ? "" : none);
	table_put_devices(table, layout, devices);
}

static void status_put_text(struct status *status)
{
	struct table *table = &status->table;
	unsigned exported = TABLE_EXPORTED, imported = TABLE_IMPORTED;

	SELECTION_EACH(&status->exported, e)
		exported |= (*e)->held ? TABLE_HELD : 0;
	SELECTION_EACH(&status->imported, e)
		imported |= (*e)->guarded ? TABLE_HELD : 0;
	if (status->terminal)
		table_put(table, "\033[H\033[J"); /* ECMA-48: cursor home, erase to the end */
	table_format(table, "server: %srunning, client: %srunning\n",
		     status->runs[SERVER] ? "" : "not ", status->runs[CLIENT] ? "" : "not ");
	table_put_engine(table, &status->engine);
	status_put_section(table, (enum table_layout)exported, "exported", &status->exported,
			   " nothing");
	status_put_section(table, (enum table_layout)imported, "imported", &status->imported,
			   status->has_vhci ? " nothing" : " no vhci-hcd here");
	SELECTION_EACH(&status->imported, e)
		if ((*e)->drivers[0])
			table_put_line(table, "port %ju:%s%s", (uintmax_t)(*e)->port, (*e)->drivers,
				       (*e)->nodes);
	status_put_latency(status);
	if (status->holds[SERVER].len || status->holds[CLIENT].len || status->watch)
		table_put(table, "\n");
	for (unsigned i = 0; i < ROLES; i++)
		for (const char *name = NULL; (name = holds_next(&status->holds[i], name));)
			table_put_line(table, "held (%s): %s", roles[i], name);
}

/* Prints the status unless the same is shown already. */
static void status_print(struct status *status)
{
	struct table *table = &status->table;
	void (*put)(struct status *status) = table->json ? status_put_json : status_put_text;

	status_read(status);
	table->hash = STR_HASH;
	table->hashing = true;
	put(status);
	table->hashing = false;
	if (status->terminal || table->hash != status->shown)
		put(status);
	status->shown = table->hash;
	table_flush(table);
}

/* Until SIGINT, SIGTERM, the end of the reader, or that of the devices. */
static int status_watch(struct status *status)
{
	struct pollfd fds[] = { { uevent_open(), POLLIN, 0 },
				{ STDOUT_FILENO, 0, 0 }, /* POLLERR: the reader is gone */
				{ -1, POLLIN, 0 } };
	struct winsize size;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	status->table.stop = signalfd(-1, &signals, SFD_CLOEXEC); /* polled, never read */
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGPIPE); /* a write returns EPIPE */
	if (status->table.stop < 0 || sigprocmask(SIG_BLOCK, &signals, NULL)) {
		log_error_errno(errno, "cannot start");
		return 1;
	}
	fds[2].fd = status->table.stop;
	status->terminal = !status->table.json && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	do {
		status_print(status);
		poll(fds, 3, STATUS_INTERVAL_MS);
		if (fds[0].revents)
			poll(fds + 1, 2, STATUS_EVENT_MS);
		while (fds[0].revents && uevent_receive(fds[0].fd) >= 0)
			;
	} while (!fds[1].revents && !fds[2].revents && !status->table.failed &&
		 !inventory_scan(status->inventory));
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

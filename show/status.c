/* SPDX-License-Identifier: MIT */
/* usbiphp status: what is exported, imported and held. */
#include "loop/held.h"
#include "loop/log.h"
#include "loop/state.h"
#include "proto/text.h"
#include "show/devices.h"
#include "show/page.h"
#include "show/show.h"
#include "show/socket.h"
#include "sysfs/stub.h"
#include "sysfs/uevent.h"
#include "sysfs/vhci.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_MS = 1000, CALM_MS = 100 /* between looks, whatever happens */ };

static const struct column exported_columns[] = {
	COLUMN("busid", "BUSID", device.busid, TEXT),
	COLUMN("id", "ID", id, TEXT),
	COLUMN("name", "NAME", name, TEXT),
	COLUMN("speed", NULL, speed, DIGITS),
	COLUMN("class", NULL, class, TEXT),
	COLUMN("description", NULL, label, TEXT),
	COLUMN("serial", NULL, strings.serial, TEXT),
	COLUMN("state", "STATE", status, WORD),
	COLUMN("peer", "PEER", session.peer, TEXT),
	COLUMN("peer_port", NULL, tcp_port, NUMBER),
	COLUMN("since", "FOR", since, SINCE),
	COLUMN("bytes_in", "IN", in, BYTES),
	COLUMN("bytes_out", "OUT", out, BYTES),
	COLUMN("rtt_us", "RTT", rtt, DELAY),
	COLUMN(NULL, "PRODUCT", label, TEXT),
};

static const struct column imported_columns[] = {
	COLUMN("port", "PORT", port, NUMBER),
	COLUMN("server", "SERVER", record.host, TEXT),
	COLUMN("server_port", NULL, tcp_port, NUMBER),
	COLUMN("remote_busid", "BUSID", record.busid, TEXT),
	COLUMN("busid", "HERE", device.busid, TEXT),
	COLUMN("id", "ID", id, TEXT),
	COLUMN("name", "NAME", name, TEXT),
	COLUMN("speed", NULL, speed, DIGITS),
	COLUMN("class", NULL, class, TEXT),
	COLUMN("description", NULL, label, TEXT),
	COLUMN("serial", NULL, strings.serial, TEXT),
	COLUMN("state", "STATE", status, WORD),
	COLUMN("since", "FOR", since, SINCE),
	COLUMN("bytes_in", "IN", in, BYTES),
	COLUMN("bytes_out", "OUT", out, BYTES),
	COLUMN("rtt_us", "RTT", rtt, DELAY),
	COLUMN(NULL, "PRODUCT", label, TEXT),
};

enum { SERVER, CLIENT, ROLES };
static const char *const roles[] = { "server", "client" };

static struct status {
	const struct daemon_options *options;
	struct sysfs sysfs;
	struct items devices, imported;
	unsigned exported; /* of the devices */
	struct vhci vhci;
	bool has_stub;
	int vhci_error;
	bool running[ROLES];
	bool held_known[ROLES];
	struct held held[ROLES];
	struct page page;
} status;

static_assert(sizeof(imported_columns) <= PAGE_COLUMNS * sizeof(struct column), "a width for each");

static bool is_exported(const struct item *item)
{
	return !strcmp(item->device.driver, STUB_DRIVER);
}

static void see_session(struct item *item, const char *tcp_port)
{
	uint32_t number;

	if (item->session.since > 0)
		item->since = (uint64_t)item->session.since;
	if (!text_decimal(tcp_port, 65535, &number))
		item->tcp_port = number;
	socket_look(item);
}

static void see_exported(struct item *item)
{
	static const char *const word[] = { NULL, "available", "in use", "error" };
	int stub = stub_status(&status.sysfs, item->device.busid);

	status.exported++;
	if (stub > 0 && stub <= STUB_ERROR)
		item->status = word[stub];
	if (stub == STUB_USED &&
	    session_read(status.options->run, item->device.busid, &item->session))
		see_session(item, item->session.peer_port);
}

/* Of the daemon here, else of the stock tools. */
static bool read_record(struct item *item, unsigned port)
{
	char stock[PATH_MAX];

	if (record_read_session(status.options->run, port, &item->record, &item->session))
		return true;
	text_format(stock, sizeof(stock), "%s/../vhci_hcd", status.options->run);
	return record_read_session(stock, port, &item->record, &item->session);
}

static void see_imported(struct item *item, unsigned port, const struct vhci_port *row)
{
	static const char *const word[] = { "attaching", "attached", "error" };
	const struct item *here = row->busid[0] ? devices_find(&status.devices, row->busid) : NULL;

	memset(item, 0, sizeof(*item));
	if (here)
		*item = *here;
	item_reset(item);
	item->port = port;
	item->status = word[row->state - VHCI_ATTACHING];
	text_format(item->device.busid, sizeof(item->device.busid), "%s", row->busid);
	if (!read_record(item, port)) {
		item->record.host[0] = item->record.busid[0] = '\0';
		return;
	}
	see_session(item, item->record.tcp_port);
	if (here && !item->name[0])
		name_of_place(item->name, sizeof(item->name), item->device.vendor,
			      item->device.product, item->record.host, item->record.busid);
}

static int look(void)
{
	int error = devices_look(&status.devices, &status.sysfs);

	if (error) {
		log_warn(error, "cannot look at the devices in %s", status.options->sysfs);
		return error;
	}
	status.has_stub = !sysfs_try(&status.sysfs, O_PATH, "bus/usb/drivers/" STUB_DRIVER);
	status.exported = status.imported.count = 0;
	for (unsigned i = 0; i < status.devices.count; i++)
		if (is_exported(&status.devices.item[i]))
			see_exported(&status.devices.item[i]);
	status.vhci_error = vhci_read(&status.sysfs, &status.vhci);
	for (unsigned i = 0; i < status.vhci.ports && status.imported.count < ITEMS_MAX; i++)
		if (status.vhci.port[i].state > VHCI_FREE)
			see_imported(&status.imported.item[status.imported.count++], i,
				     &status.vhci.port[i]);
	for (unsigned i = 0; i < ROLES; i++) {
		status.running[i] = state_running(status.options->run, roles[i]);
		status.held_known[i] =
			!held_read(&status.held[i], status.options->config, roles[i]);
	}
	return 0;
}

static void put_bool(struct page *page, const char *key, bool is)
{
	page_key(page, key);
	page_word(page, is ? "true" : "false");
}

static void put_held(struct page *page, unsigned role)
{
	const struct held *held = &status.held[role];

	page_key(page, roles[role]);
	if (!status.held_known[role]) {
		page_word(page, "null");
		return;
	}
	page_open(page, "[");
	for (const char *i = held_next(held, NULL); i; i = held_next(held, i))
		page_string(page, i);
	page_close(page, "]");
}

static void put_exported(struct page *page)
{
	page_items(page, exported_columns, sizeof(exported_columns) / sizeof(*exported_columns),
		   &status.devices, is_exported);
}

static void put_imported(struct page *page)
{
	page_items(page, imported_columns, sizeof(imported_columns) / sizeof(*imported_columns),
		   &status.imported, NULL);
}

static void put_json(struct page *page)
{
	page_open(page, "{");
	page_key(page, "version");
	page_word(page, "1");
	put_bool(page, "server_running", status.running[SERVER]);
	put_bool(page, "client_running", status.running[CLIENT]);
	put_bool(page, "usbip_host", status.has_stub);
	put_bool(page, "vhci_hcd", status.vhci_error != -ENOENT);
	page_key(page, "exported");
	put_exported(page);
	page_key(page, "imported");
	put_imported(page);
	page_key(page, "held");
	page_open(page, "{");
	put_held(page, SERVER);
	put_held(page, CLIENT);
	page_close(page, "}");
	page_close(page, "}");
	page_put(page, "\n");
}

static void put_text(struct page *page)
{
	for (unsigned i = 0; i < ROLES; i++)
		page_line(page, "usbiphp-%s: %s", roles[i],
			  status.running[i] ? "running" : "not running");
	page_put(page, "\n");
	page_line(page, "exported:%s", status.exported	 ? "" :
				       status.has_stub ? " nothing" :
							 " no usbip-host here");
	put_exported(page);
	page_put(page, "\n");
	page_line(page, "imported:%s", status.imported.count	      ? "" :
				       status.vhci_error == -ENOENT ? " no vhci-hcd here" :
								      " nothing");
	put_imported(page);
	if (status.held[SERVER].len || status.held[CLIENT].len)
		page_put(page, "\n");
	for (unsigned i = 0; i < ROLES; i++)
		for (const char *n = held_next(&status.held[i], NULL); n;
		     n = held_next(&status.held[i], n))
			page_line(page, "held by usbiphp-%s: %s", roles[i], n);
}

static void render(bool measuring, const char *before)
{
	struct page *page = &status.page;

	page_begin(page, measuring);
	if (!measuring)
		page_put(page, before);
	if (page->json)
		put_json(page);
	else
		put_text(page);
	page_end(page);
}

static void quit(int number)
{
	(void)number;
	_exit(0);
}

/* Waits until it is worth looking again; false when nobody reads any more. */
static bool wait_for_more(int uevents)
{
	struct pollfd fds[] = { { STDOUT_FILENO, 0, 0 }, { uevents, POLLIN, 0 } };
	struct uevent event;

	if (poll(fds, 2, LOOK_MS) > 0 && fds[1].revents) {
		poll(fds, 1, CALM_MS);
		while (uevent_receive(uevents, &event) >= 0)
			;
	}
	return !fds[0].revents;
}

static int watch(void)
{
	bool terminal = !status.page.json && isatty(STDOUT_FILENO);
	const char *before = terminal ? "\033[H\033[J" : "";
	int uevents = uevent_open();
	uint32_t shown = 0;

	signal(SIGINT, quit);
	signal(SIGTERM, quit);
	signal(SIGPIPE, SIG_IGN);
	do {
		if (look())
			return 1;
		render(true, before);
		if (!terminal && status.page.hash == shown)
			continue;
		shown = status.page.hash;
		render(false, before);
		if (!terminal && !status.page.json)
			before = "\n";
	} while (!status.page.failed && wait_for_more(uevents));
	return 0;
}

int show_status(const struct daemon_options *options, bool json, bool watching)
{
	int error = sysfs_open(&status.sysfs, options->sysfs);

	if (error) {
		log_warn(error, "cannot open %s", options->sysfs);
		return 1;
	}
	status.options = options;
	status.page.json = json;
	if (watching)
		return watch();
	if (look())
		return 1;
	render(true, "");
	render(false, "");
	return 0;
}

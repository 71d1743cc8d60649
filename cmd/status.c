/* SPDX-License-Identifier: MIT */
/* usbiphp status: what is exported, imported and held. */
#include "cmd/cmd.h"
#include "cmd/inventory.h"
#include "cmd/table.h"
#include "lib/log.h"
#include "lib/str.h"
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

enum { LOOK_MS = 1000, CALM_MS = 100 /* between looks, whatever happens */ };

enum { SERVER, CLIENT, ROLES };
static const char roles[][7] = { "server", "client" };
static const char truth[][6] = { "false", "true" };

static struct status {
	const struct daemon_options *options;
	struct sysfs sysfs;
	struct items devices, imported;
	unsigned exported; /* of the devices */
	bool has_stub, has_vhci;
	bool running[ROLES];
	struct holds held[ROLES];
	struct page page;

	bool watching;
	bool terminal;
	bool ended;
	uint32_t shown; /* page.hash */
	struct loop loop;
	struct loop_source uevents, output;
} status;

static void look(void)
{
	const char *run = status.options->run;

	status.has_stub = !sysfs_can_open(&status.sysfs, O_PATH, "bus/usb/drivers/" STUB_DRIVER);
	status.exported = 0;
	EACH_ITEM(&status.devices, i)
		if (item_exported(i)) {
			status.exported++;
			item_see_export(i, &status.sysfs, run, "available");
		}
	status.has_vhci = imported_look(&status.imported, &status.devices, &status.sysfs, run) !=
			  -ENOENT;
	for (unsigned i = 0; i < ROLES; i++) {
		status.running[i] = rundir_has_daemon(run, roles[i]);
		if (holds_read(&status.held[i], status.options->config, roles[i]))
			status.held[i].len = 0;
	}
}

static void put_held(struct page *page, unsigned role)
{
	const struct holds *held = &status.held[role];
	const char *before = "";

	for (const char *i = holds_next(held, NULL); i; i = holds_next(held, i)) {
		if (page->json) {
			page_put(page, before);
			page_string(page, i);
			before = ",";
		} else {
			page_format(page, "\nheld (%s): ", roles[role]);
			page_text(page, i);
		}
	}
}

static void put_json(struct page *page)
{
	page_format(page,
		    "{\"version\":1,\"server_running\":%s,\"client_running\":%s,"
		    "\"usbip_host\":%s,\"vhci_hcd\":%s,\"exported\":",
		    truth[status.running[SERVER]], truth[status.running[CLIENT]],
		    truth[status.has_stub], truth[status.has_vhci]);
	page_items(page, PAGE_EXPORTED, &status.devices, item_exported);
	page_put(page, ",\"imported\":");
	page_items(page, PAGE_IMPORTED, &status.imported, NULL);
	page_put(page, ",\"held\":{\"server\":[");
	put_held(page, SERVER);
	page_put(page, "],\"client\":[");
	put_held(page, CLIENT);
	page_put(page, "]}}\n");
}

static void put_text(struct page *page)
{
	if (status.terminal)
		page_put(page, "\033[H\033[J");
	page_format(page, "server: %srunning, client: %srunning\n",
		    status.running[SERVER] ? "" : "not ", status.running[CLIENT] ? "" : "not ");
	page_format(page, "\nexported:%s\n", status.exported ? "" :
					     status.has_stub ? " nothing" :
							       " no usbip-host here");
	page_items(page, PAGE_EXPORTED, &status.devices, item_exported);
	page_format(page, "\nimported:%s\n", status.imported.count ? "" :
					     status.has_vhci	   ? " nothing" :
								     " no vhci-hcd here");
	page_items(page, PAGE_IMPORTED, &status.imported, NULL);
	put_held(page, SERVER);
	put_held(page, CLIENT);
	if (status.held[SERVER].len + status.held[CLIENT].len || status.watching)
		page_put(page, "\n");
}

static void render(bool measuring)
{
	struct page *page = &status.page;

	page_begin(page, measuring);
	if (page->json)
		put_json(page);
	else
		put_text(page);
	page_end(page);
}

static void show(void)
{
	look();
	render(true);
	if (status.terminal || status.page.hash != status.shown)
		render(false);
	status.shown = status.page.hash;
}

static void pass(void *ctx)
{
	status.ended = devices_look(&status.devices, &status.sysfs) != 0;
	if (!status.ended)
		show();
	(void)ctx;
}

static void stop(void *ctx)
{
	(void)ctx;
	status.ended = true;
}

static bool done(void *ctx)
{
	(void)ctx;
	return status.ended || status.page.failed;
}

static void closed(struct loop_source *source, uint32_t events)
{
	(void)source;
	(void)events;
	status.ended = true;
}

static void hear(struct loop_source *source, uint32_t events)
{
	struct uevent event;

	(void)events;
	while (uevent_receive(source->fd, &event) >= 0)
		;
	loop_pass_by(&status.loop, status.loop.now + CALM_MS);
}

static int watch(void)
{
	static const struct loop_role role = { pass, stop, done };
	struct loop *loop = &status.loop;
	struct winsize size;
	sigset_t ends;
	int error = loop_open(loop, LOOK_MS, &role, NULL);

	if (error) {
		log_warning_errno(error, "cannot start");
		return 1;
	}
	status.terminal = !status.page.json && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	status.page.stop = signalfd(-1, &ends, SFD_CLOEXEC); /* only to be polled */
	status.output = (struct loop_source){ STDOUT_FILENO, closed };
	status.uevents = (struct loop_source){ uevent_open(), hear };
	loop_watch(loop, &status.output, 0); /* when nobody reads any more; a file cannot tell */
	if (status.uevents.fd >= 0)
		loop_watch(loop, &status.uevents, EPOLLIN);
	loop_run(loop);
	return 0;
}

int show_status(const struct daemon_options *options, bool json, bool watching)
{
	status.options = options;
	status.page.json = json;
	status.watching = watching;
	if (devices_open(&status.devices, &status.sysfs, options->sysfs))
		return 1;
	if (watching)
		return watch();
	show();
	return 0;
}

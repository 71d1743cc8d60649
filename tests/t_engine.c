/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/engine: which engine a further device gets, and why.
 * LINK: -Wl,--wrap=syscall,--wrap=sysfs_can_open
 */
#include "host/engine.h"

#include "tests/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLOTS "bus/usb/drivers/usbip-host/match_busid"

static int node_errno; /* of the first node; 0: it can be used */

long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
	va_list args;

	CHECK_INT(number, SYS_faccessat);
	va_start(args, number);
	CHECK_INT(va_arg(args, int), sysfs.usb_nodes);
	CHECK_STR(va_arg(args, const char *), "001/001");
	CHECK_INT(va_arg(args, int), W_OK);
	va_end(args);
	errno = node_errno;
	return node_errno ? -1 : 0;
}

/* The sandbox keeps the server from devices of a bus that has come later. */
static bool is_new_bus;

int __real_sysfs_can_open(const struct sysfs *sysfs, int flags, const char *path);
int __wrap_sysfs_can_open(const struct sysfs *sysfs, int flags, const char *path);

int __wrap_sysfs_can_open(const struct sysfs *tree, int flags, const char *path)
{
	if (!is_new_bus || strcmp(path, "bus/usb/devices/1-1/authorized") != 0)
		return __real_sysfs_can_open(tree, flags, path);
	CHECK_INT(flags, O_WRONLY);
	return -EACCES;
}

#define KERNEL &engine_kernel
#define USBFS &engine_usbfs
#define NOT_LOADED "usbip-host is not loaded"
#define FULL "usbip-host knows at most 16 bus ids, none of a bus newer than the server"

enum { NO_MODULE = -1, NO_NODES = -1 };

static const struct row {
	const char *name;
	const struct engine *only, *loads;
	int slots;  /* that are in use, or NO_MODULE */
	int nodes;  /* an errno of the first node, or NO_NODES */
	unsigned coming;
	const struct engine *want;
	int error;
	unsigned takes;
	const char *why;
} rows[] = {
	{ "both", NULL, NULL, 0, 0, 0, KERNEL, 0, 1, "" },
	{ "no module", NULL, NULL, NO_MODULE, 0, 0, USBFS, 0, 0, NOT_LOADED },
	{ "no module, others come", NULL, NULL, NO_MODULE, 0, 99, USBFS, 0, 0, NOT_LOADED },
	{ "a module that is about to be loaded", NULL, KERNEL, NO_MODULE, 0, 99, KERNEL, 0, 0, "" },
	{ "no nodes", NULL, NULL, 0, NO_NODES, 0, KERNEL, 0, 1, "" },
	{ "neither", NULL, NULL, NO_MODULE, NO_NODES, 0, KERNEL, -ENOENT, 0, NOT_LOADED },
	{ "no module, and no right", NULL, NULL, NO_MODULE, EACCES, 0, KERNEL, -ENOENT, 0, NOT_LOADED },
	{ "no first node", NULL, NULL, NO_MODULE, ENOENT, 0, USBFS, 0, 0, NOT_LOADED },
	{ "the last place", NULL, NULL, 15, 0, 0, KERNEL, 0, 1, "" },
	{ "the last place is another's", NULL, NULL, 15, 0, 1, USBFS, 0, 0, FULL },
	{ "the seventeenth", NULL, NULL, 16, 0, 0, USBFS, 0, 0, FULL },
	{ "the seventeenth, no nodes", NULL, NULL, 16, NO_NODES, 0, KERNEL, -ENOSPC, 0, FULL },
	{ "kernel: the last place", KERNEL, NULL, 15, 0, 0, KERNEL, 0, 1, "" },
	{ "kernel: the seventeenth", KERNEL, NULL, 16, 0, 0, KERNEL, -ENOSPC, 0, FULL },
	{ "kernel: no module", KERNEL, NULL, NO_MODULE, 0, 0, KERNEL, -ENOENT, 0, NOT_LOADED },
	{ "usbfs", USBFS, NULL, 0, 0, 0, USBFS, 0, 0, "" },
	{ "usbfs: no nodes", USBFS, NULL, 0, NO_NODES, 0, USBFS, -ENOENT, 0, "usbfs is not loaded" },
	{ "usbfs: no right", USBFS, NULL, 0, EACCES, 0, USBFS, -EACCES, 0, "usbfs cannot be used: Permission denied" },
};

static void fill(int slots)
{
	char text[17 * BUSID_SIZE] = "";

	for (int i = 0; i < slots; i++)
		sprintf(text + strlen(text), "9-%d ", i + 1);
	if (slots != NO_MODULE)
		put_file(root, SLOTS, text);
}

static void choice_is(const struct row *row, const char *busid, const struct engine *want,
		      int error, unsigned takes, const char *why)
{
	const struct engines engines = { row->only, row->loads };
	struct engine_choice choice;
	unsigned coming = row->coming;

	engine_choose(&engines, &sysfs, busid, &coming, &choice);
	CHECK(choice.engine == want);
	CHECK_INT(choice.error, error);
	CHECK_INT(coming - row->coming, takes);
	CHECK_STR(choice.why.text, why);
}

static void choices(const struct row *row)
{
	start(NULL);
	fill(row->slots);
	sysfs.usb_nodes = row->nodes == NO_NODES ? -ENOENT : dup(sysfs.root);
	node_errno = row->nodes == NO_NODES ? ENOENT : row->nodes;
	choice_is(row, "1-1", row->want, row->error, row->takes, row->why);
	/* one that has a place already needs no other */
	if (row->slots > 0 && row->only != USBFS)
		choice_is(row, "9-1", KERNEL, 0, 0, "");
	end();
}

/* It can be bound, but no client would get it. */
static void new_bus(void)
{
	static const struct row any = { .name = "any" }, kernel = { .only = KERNEL };

	start(NULL);
	fill(0);
	sysfs.usb_nodes = dup(sysfs.root);
	node_errno = 0;
	choice_is(&any, "1-1", KERNEL, 0, 1, "");
	is_new_bus = true;
	choice_is(&any, "1-1", USBFS, 0, 0, FULL);
	choice_is(&any, "2-1", KERNEL, 0, 1, "");
	choice_is(&kernel, "1-1", KERNEL, -ENOSPC, 0, FULL);
	is_new_bus = false;
	end();
}

int main(void)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		check_begin("t_engine: %s", rows[i].name);
		choices(&rows[i]);
		check_end();
	}
	RUN("t_engine: a bus that is newer than the sandbox", new_bus);
	return check_status();
}

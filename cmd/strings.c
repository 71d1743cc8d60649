/* SPDX-License-Identifier: MIT */
/* The strings of devices, read with a time limit, and labels: from those, or from usb.ids. */
#include "cmd/inventory.h"
#include "lib/file.h"
#include "lib/socket.h"
#include "lib/str.h"
#include "lib/util.h"
#include "loop/loop.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STRINGS_WAIT_S = 2 }; /* how long a scan waits for strings, seconds */

struct strings_message {
	unsigned index; /* of the entry */
	struct device_strings strings;
};

static_assert(sizeof(struct strings_message) <= PIPE_BUF, "a pipe takes it whole or not at all");

/* In the child, which ends with the command. If it outlives that nevertheless, a reader of the
 * command's output must not wait for it, too: it closes the standard streams. */
static void strings_send(int fd, const struct sysfs *sysfs, const char *busid, unsigned index)
{
	struct strings_message message = { .index = index };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	device_strings_read(sysfs, busid, &message.strings);
	_exit(write(fd, &message, sizeof(message)) < 0);
}

/* Until all children have closed the pipe, or the time is over. */
static void strings_receive(struct inventory *inventory, int fd)
{
	uint64_t now = loop_clock(), deadline = now + STRINGS_WAIT_S * 1000UL;
	struct strings_message message;

	for (; now < deadline; now = loop_clock()) {
		if (!socket_wait(fd, POLLIN, (int)(deadline - now)))
			continue;
		if (read(fd, &message, sizeof(message)) != (ssize_t)sizeof(message))
			return;
		assert(message.index < inventory->count);
		inventory->entry[message.index].strings = message.strings;
		inventory->entry[message.index].has_strings = true;
	}
}

void inventory_read_strings(struct inventory *inventory)
{
	int fd[2];

	while (waitpid(-1, NULL, WNOHANG) > 0) /* children of an earlier scan */
		;
	if (pipe2(fd, O_CLOEXEC))
		return;
	INVENTORY_EACH(inventory, e)
		if (e->found == ENTRY_NEW && !fork())
			strings_send(fd[1], &inventory->sysfs, e->device.busid,
				     (unsigned)(e - inventory->entry));
	close(fd[1]);
	strings_receive(inventory, fd[0]);
	close(fd[0]);
}

enum { USB_IDS_DIGITS = 4, USB_IDS_NAME = USB_IDS_DIGITS + 2 /* offset of the name in a line */ };

struct usb_ids_search {
	struct inventory *inventory;
	uint32_t vendor; /* of the lines that follow */
};

/* A vendor's line "0951  Kingston Technology" is followed by its products, "\t1666  DataTraveler".
 * The list of classes ("C 00  ...") comes after all vendors (http://www.linux-usb.org/usb.ids). */
static bool usb_ids_read_line(void *ctx, char *line)
{
	struct usb_ids_search *search = ctx;
	bool is_product = line[0] == '\t';
	uint32_t number;
	size_t len;

	if (line[0] == 'C')
		return true;
	line += is_product;
	if (strnlen(line, USB_IDS_NAME) < USB_IDS_NAME || line[USB_IDS_DIGITS] != ' ')
		return false;
	line[USB_IDS_DIGITS] = '\0';
	if (str_hex(line, 0xffff, &number))
		return false;
	if (!is_product)
		search->vendor = number;
	INVENTORY_EACH(search->inventory, e) {
		if (e->found != ENTRY_NEW || e->strings.product[0] ||
		    e->device.vendor != search->vendor ||
		    (is_product && e->device.product != number))
			continue;
		len = strlen(e->label);
		str_format(e->label + len, sizeof(e->label) - len, "%s%s", len ? " " : "",
			   line + USB_IDS_NAME);
	}
	return false;
}

/* "MANUFACTURER PRODUCT", as the device says, without a manufacturer that PRODUCT repeats. */
static void entry_set_label(struct inventory_entry *entry)
{
	const char *maker = entry->strings.maker, *product = entry->strings.product;

	if (!strncmp(product, maker, strlen(maker)))
		maker = "";
	str_format(entry->label, sizeof(entry->label), "%s%s%s", maker, *maker ? " " : "", product);
}

void inventory_set_labels(struct inventory *inventory)
{
	static const char usb_ids[][27] = {
		"/usr/share/hwdata/usb.ids",
		"/usr/share/misc/usb.ids",
		"/var/lib/usbutils/usb.ids",
		"/usr/share/usb.ids",
	};
	struct usb_ids_search search = { .inventory = inventory, .vendor = UINT32_MAX };
	size_t i = ARRAY_SIZE(usb_ids);

	INVENTORY_EACH(inventory, e)
		if (e->strings.product[0])
			entry_set_label(e);
		else if (e->found == ENTRY_NEW)
			i = 0;
	while (i < ARRAY_SIZE(usb_ids) && access(usb_ids[i], R_OK))
		i++;
	if (i < ARRAY_SIZE(usb_ids))
		file_each_line(AT_FDCWD, usb_ids[i], usb_ids_read_line, &search);
	INVENTORY_EACH(inventory, e)
		if (!e->label[0])
			str_copy(e->label, sizeof(e->label), e->class);
}

/* SPDX-License-Identifier: MIT */
/* The way to a holder: its files in the run directory, and messages to it. */
#include "host/holder.h"

#include "lib/socket.h"
#include "lib/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { POLL_MS = 20 };

static struct sysfs_path page_name(const char *busid)
{
	return sysfs_path("holder.%s", busid);
}

void holder_remove(int run_dir, const char *busid)
{
	unlinkat(run_dir, page_name(busid).text, 0);
	unlinkat(run_dir, sysfs_path("socket.%s", busid).text, 0);
}

int holder_open(int run_dir, const char *busid, int flags, int *fd, struct holder_page **page)
{
	void *map = NULL;
	int error, locked;

	*fd = openat(run_dir, page_name(busid).text, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0644);
	if (*fd < 0)
		return -errno;
	locked = flock(*fd, LOCK_EX | LOCK_NB) ? -errno : 0;
	error = locked && locked != -EWOULDBLOCK ? locked
						 : rundir_map_page(*fd, sizeof(**page), &map);
	*page = map;
	if (error)
		close(*fd);
	return error ? error : locked;
}

int holder_connect(int run_dir, const char *busid)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	/* the path of the run directory may be longer than such an address */
	str_format(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/socket.%s",
		   run_dir, busid);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int holder_tell(int control, enum holder_message message, const int *fd)
{
	uint8_t byte = (uint8_t)message;

	return socket_send_fds(control, &byte, sizeof(byte), fd, fd ? 1 : 0);
}

bool holder_has_ended(int control, int wait_ms)
{
	return control < 0 || socket_wait(control, 0, wait_ms) & (POLLHUP | POLLERR);
}

enum holder_state holder_wait(int control, const struct holder_page *page, enum holder_state state)
{
	while (page->state == state && !holder_has_ended(control, POLL_MS))
		;
	return (enum holder_state)page->state;
}

void holder_wait_end(int control)
{
	while (!holder_has_ended(control, POLL_MS))
		;
}

bool holder_read(const char *run, const char *busid, struct holder_page *page)
{
	return rundir_read_page(run, page_name(busid).text, page, sizeof(*page)) &&
	       page->version == HOLDER_VERSION;
}

int holder_release(const char *run, const char *busid)
{
	int dir = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC), control = holder_connect(dir, busid);

	if (control >= 0) {
		holder_tell(control, HOLDER_RELEASE, NULL);
		holder_wait_end(control);
		holder_remove(dir, busid);
		close(control);
	}
	close(dir);
	return control < 0 ? -ESRCH : 0;
}

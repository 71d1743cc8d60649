/* SPDX-License-Identifier: MIT */
/* What a supervisor is told: ready, alive, stopping. */
#include "loop/sd_notify.h"

#include "lib/str.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NEVER (UINT64_MAX / 2) /* may be added to a time */

enum { RETRY_MS = 1000 };

/* 0 for what is no number. What is longer than this is told of more often than is wanted. */
static uint32_t number(const char *name, uint32_t without)
{
	const char *value = getenv(name);
	uint32_t n = UINT32_MAX;

	if (!value)
		return without;
	return str_decimal(value, UINT32_MAX, &n) == -EINVAL ? 0 : n;
}

void sd_notify_init(struct sd_notify *notify)
{
	notify->fd = -1;
	notify->ready = false;
	notify->next = NEVER;
}

void sd_notify_open(struct sd_notify *notify)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = name ? strlen(name) : 0;
	uint32_t pid = (uint32_t)getpid(), ms = number("WATCHDOG_USEC", 0) / 3000;

	notify->every = ms && number("WATCHDOG_PID", pid) == pid ? ms : NEVER;
	if (!len || len > sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = '\0'; /* abstract, see unix(7) */
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!connect(notify->fd, (struct sockaddr *)&address,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)))
		notify->next = 0;
}

void sd_notify_close(struct sd_notify *notify)
{
	close(notify->fd);
}

static bool tell(const struct sd_notify *notify, const char *what)
{
	return write(notify->fd, what, strlen(what)) >= 0;
}

void sd_notify_alive(struct sd_notify *notify, uint64_t now)
{
	if (now < notify->next)
		return;
	notify->next = now + RETRY_MS;
	if (tell(notify, notify->ready ? "WATCHDOG=1" : "READY=1")) {
		notify->ready = true;
		notify->next = now + notify->every;
	}
}

void sd_notify_stopping(const struct sd_notify *notify)
{
	tell(notify, "STOPPING=1");
}

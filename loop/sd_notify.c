/* SPDX-License-Identifier: MIT */
/* Messages to the supervisor: ready, alive, stopping. */
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

/* A variable of the environment: 0 if it is no number; a larger number is cut down. */
static uint32_t environment_number(const char *name, uint32_t when_unset)
{
	const char *value = getenv(name);
	uint32_t n = UINT32_MAX;

	if (!value)
		return when_unset;
	return str_decimal(value, UINT32_MAX, &n) == -EINVAL ? 0 : n;
}

void sd_notify_init(struct sd_notify *notify)
{
	*notify = (struct sd_notify){ .fd = -1, .next = NEVER };
}

void sd_notify_open(struct sd_notify *notify)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint32_t pid = (uint32_t)getpid();
	uint32_t ms = environment_number("WATCHDOG_USEC", 0) / 3000; /* a third of it */
	const char *name = getenv("NOTIFY_SOCKET");
	size_t len = name ? strlen(name) : 0;

	notify->every = ms && environment_number("WATCHDOG_PID", pid) == pid ? ms : NEVER;
	if (!len || len > sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = '\0'; /* an abstract address, unix(7) */
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!connect(notify->fd, (struct sockaddr *)&address,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)))
		notify->next = 0;
}

bool sd_notify_send(const struct sd_notify *notify, const char *message)
{
	return write(notify->fd, message, strlen(message)) >= 0;
}

void sd_notify_alive(struct sd_notify *notify, uint64_t now)
{
	if (now < notify->next)
		return;
	notify->next = now + RETRY_MS;
	if (sd_notify_send(notify, notify->ready ? "WATCHDOG=1" : "READY=1")) {
		notify->ready = true;
		notify->next = now + notify->every;
	}
}

/* SPDX-License-Identifier: MIT */
/* Which port a device had last, in a file. */
#include "client/places.h"

#include "lib/log.h"
#include "lib/str.h"
#include "loop/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIB_DIR "/var/lib" /* some small systems have none */
#define PLACES_DIR LIB_DIR "/usbiphp"

void places_open(struct places *places, const char *run, uint32_t owner[VHCI_PORTS_MAX])
{
	const char *dir = strcmp(run, STATE_DIR) != 0 ? run : PLACES_DIR;
	char path[PATH_MAX];

	str_format(path, sizeof(path), "%s/places", dir);
	if (dir != run)
		mkdir(LIB_DIR, 0755);
	mkdir(dir, 0700);
	places->fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (places->fd < 0)
		log_warning_errno(errno, "devices may have other ports after a restart: %s", path);
	if (pread(places->fd, owner, sizeof(places->saved), 0) < 0)
		return;
	for (unsigned i = 0; i < VHCI_PORTS_MAX; i++)
		if (!(owner[i] & 1)) /* no device: 0, or IMPORT_NOBODY */
			owner[i] = 0;
	memcpy(places->saved, owner, sizeof(places->saved));
}

void places_save(struct places *places, const uint32_t owner[VHCI_PORTS_MAX])
{
	if (!memcmp(places->saved, owner, sizeof(places->saved)))
		return;
	memcpy(places->saved, owner, sizeof(places->saved));
	(void)!pwrite(places->fd, owner, sizeof(places->saved), 0); /* or later, or never */
}

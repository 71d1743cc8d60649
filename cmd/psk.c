/* SPDX-License-Identifier: MIT */
/* usbiphp psk: a new pre-shared key. */
#include "cmd/cmd.h"
#include "cmd/table.h"
#include "lib/log.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/utsname.h>

int cmd_psk(const char *identity)
{
	char line[PSK_LINE_SIZE];
	uint8_t key[SHA256_SIZE];
	static struct table table;
	struct utsname system;
	const char *wrong;

	if (uname(&system) || getrandom(key, sizeof(key), 0) != sizeof(key)) {
		log_error_errno(errno, "cannot make a key");
		return 1;
	}
	if (!identity)
		identity = system.nodename;
	wrong = psk_text(line, identity, key);
	if (wrong) {
		log_error("%s '%s' (see --help)", wrong, identity);
		return 2;
	}
	table_format(&table, "%s\n", line);
	table_flush(&table);
	return 0;
}

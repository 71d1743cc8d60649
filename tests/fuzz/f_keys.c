/* SPDX-License-Identifier: MIT */
/* Fuzz entry: psk_parse() of each line, and keys_read() of a file with the
 * input. */
#include "tests/fuzz/fuzz.h"
#include "tls/keys.h"

#include <fcntl.h>
#include <unistd.h>

static char path[64];
static int file = -1, report, nowhere;

static void clean(void)
{
	unlink(path);
}

static void make_file(void)
{
	snprintf(path, sizeof(path), "%s/usbiphp-fuzz.XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	file = mkstemp(path);
	report = dup(STDERR_FILENO);
	nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	HOLDS(file >= 0 && report >= 0 && nowhere >= 0);
	atexit(clean);
}

/* Whether a line is a key, by other code than the product's. */
static int is_key(const char *line)
{
	size_t len = strcspn(line, ":"), digits;

	if (!line[len] || !len || len >= PSK_IDENTITY_SIZE)
		return 0;
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "-._@",
			    line[i]))
			return 0;
	digits = strspn(line + len + 1, "0123456789abcdefABCDEF");
	return !line[len + 1 + digits] && digits % 2 == 0 && digits >= 2 * PSK_KEY_MIN &&
	       digits <= 2 * PSK_KEY_MAX;
}

static void see_line(const char *line)
{
	struct psk psk;
	const char *wrong = psk_parse(&psk, line);

	HOLDS((wrong == NULL) == is_key(line));
	HOLDS(wrong || (!strncmp(psk.identity, line, strlen(psk.identity)) &&
			line[strlen(psk.identity)] == ':'));
}

/* Every key that is read can be found, and is the only one of its name. */
static void see_file(const char *text, size_t len)
{
	static struct keys keys;
	bool good;

	HOLDS(!ftruncate(file, 0) && pwrite(file, text, len, 0) == (ssize_t)len);
	memset(&keys, 0, sizeof(keys));
	dup2(nowhere, STDERR_FILENO); /* for the warnings */
	good = keys_read(&keys, path);
	dup2(report, STDERR_FILENO);
	HOLDS(good == (keys.count > 0) && keys.count <= KEYS_MAX);
	for (unsigned i = 0; i < keys.count; i++) {
		const char *identity = keys.key[i].identity;

		HOLDS(memchr(identity, '\0', PSK_IDENTITY_SIZE));
		HOLDS(keys_find(&keys, identity, strlen(identity)) == &keys.key[i]);
		HOLDS(strstr(text, identity) || strlen(text) < len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size), *next;

	if (file < 0)
		make_file();
	see_file(text, size);
	for (char *line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		see_line(line);
	}
	free(text);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Tests of tls/keys: what the file of --psk may say, and who may have it.
 * LINK: -Wl,--wrap=log_line,--wrap=geteuid,--wrap=read
 */
#include "tls/keys.h"

#include "tests/files.h"
#include "tests/said.h"

#define K "00112233445566778899aabbccddeeff"

static char root[TEMP_SIZE], path[TEMP_SIZE + 8];
static struct keys keys;
static uid_t user;

static const char *put_there; /* at path, as soon as it was read */

ssize_t __real_read(int fd, void *buf, size_t size);
ssize_t __wrap_read(int fd, void *buf, size_t size);

ssize_t __wrap_read(int fd, void *buf, size_t size)
{
	ssize_t n = __real_read(fd, buf, size);

	if (put_there)
		must(!rename(put_there, path), "put another one there");
	put_there = NULL;
	return n;
}

uid_t __wrap_geteuid(void);

uid_t __wrap_geteuid(void)
{
	return user;
}

static void start(void)
{
	temp_make(root);
	snprintf(path, sizeof(path), "%s/keys", root);
	memset(&keys, 0, sizeof(keys));
	user = getuid();
}

static void end(void)
{
	temp_remove(root);
}

static bool with(const char *text, mode_t mode)
{
	put_file(root, "keys", text);
	must(!chmod(path, mode), "change the mode");
	said_forget();
	return keys_read(&keys, path);
}

static void good(void)
{
	start();
	CHECK(with("# who may come\n\na:" K "\n  \tb:" K K "\t\n#c:" K "\n\r\nd:" K "\r\ne:" K, 0600));
	CHECK_INT(log_kept.lines, 0);
	CHECK_INT(keys.count, 4);
	CHECK_STR(keys.key[0].identity, "a");
	for (const char *name = "abde"; *name; name++) {
		const struct psk *key = keys_find(&keys, name, 1);

		CHECK(key && key->identity[0] == *name);
	}
	CHECK(!keys_find(&keys, "c", 1) && !keys_find(&keys, "", 0) && !keys_find(&keys, "aa", 2));
	CHECK(with("z:" K "\n", 0400));
	CHECK_INT(keys.count, 1);
	CHECK(!keys_find(&keys, "a", 1));
	end();
}

/* A line, and the keys are as they were. */
static void refused(const char *text, mode_t mode, const char *words)
{
	struct keys was = keys;

	CHECK(!with(text, mode));
	CHECK_INT(log_kept.lines, 1);
	if (!said(words))
		check_fault(__FILE__, __LINE__, "\"%s\" has no \"%s\"", log_kept.line[0], words);
	CHECK_BYTES(&keys, &was, sizeof(was));
	CHECK(!said(K)); /* nobody's key is in the log */
}

/* One key for each pair of machines: the client takes that of the server. */
static void of_pairs(void)
{
	start();
	CHECK(!keys_for(NULL, "pi.lan"));
	CHECK(with("a:" K "\nb@pi.lan:" K "\nc@pi:" K "\nd@10.0.0.7:" K "\ne@pi.lan:" K "\n", 0600));
	CHECK(keys_for(&keys, "pi.lan") == &keys.key[1]);
	CHECK(keys_for(&keys, "pi") == &keys.key[2]);
	CHECK(keys_for(&keys, "10.0.0.7") == &keys.key[3]);
	CHECK(keys_for(&keys, "attic") == &keys.key[0]);
	CHECK(keys_for(&keys, "lan") == &keys.key[0]);
	CHECK(keys_for(&keys, "a") == &keys.key[0]);
	CHECK(keys_for(&keys, "") == &keys.key[0]);
	end();
}

static void malformed(void)
{
	start();
	CHECK(with("first:" K "\n", 0600));
	refused("a:" K "\nb\n", 0600, "keys:2: no identity before a colon");
	refused("# \n\na:" K "0\nb:" K "\n", 0600, "keys:3: the key is not 32 to 128");
	refused("a:" K " b:" K "\n", 0600, "keys:1: more than one key in a line");
	refused("a:" K " # comment\n", 0600, "keys:1: more than one key in a line");
	refused("a:" K "\nb:" K "\na:" K K "\n", 0600, "keys:3: duplicate identity");
	refused("", 0600, "it contains no key");
	refused("# a:" K "\n", 0600, "it contains no key");
	end();
}

static void too_many(void)
{
	static char text[(KEYS_MAX + 1) * 100], blanks[KEYS_MAX * PSK_LINE_SIZE + 2];
	size_t len = 0;

	start();
	for (unsigned i = 0; i < KEYS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "key%u:" K "\n", i);
	CHECK(with(text, 0600));
	CHECK_INT(keys.count, KEYS_MAX);
	snprintf(text + len, sizeof(text) - len, "one:" K "\n");
	refused(text, 0600, "keys:257: too many keys");
	memset(blanks, '\n', sizeof(blanks) - 1);
	refused(blanks, 0600, "the file is too long");
	end();
}

static void of_others(void)
{
	start();
	CHECK(with("a:" K "\n", 0600));
	for (unsigned bit = 0; bit < 6; bit++)
		refused("b:" K "\n", 0600 | 1U << bit, "other users have access to it");
	CHECK(with("a:" K "\n", 0600));
	user = 12345; /* root's is as good as one's own */
	CHECK_INT(with("a:" K "\n", 0600), !getuid());
	if (!getuid()) {
		must(!chown(path, 12345, 0), "give it away");
		CHECK(keys_read(&keys, path));
		user = 0;
		said_forget();
		CHECK(!keys_read(&keys, path) && said("other users have access to it"));
	}
	end();
}

/* Who may write in the directory has his own read, and a good one judged. */
static void exchanged(void)
{
	char other[TEMP_SIZE + 8];

	start();
	snprintf(other, sizeof(other), "%s/other", root);
	put_file(root, "other", "a:" K "\n");
	must(!chmod(other, 0600), "make it private");
	put_there = other;
	refused("b:" K "\n", 0644, "other users have access to it");
	CHECK(!put_there);
	CHECK(keys_read(&keys, path));
	CHECK_STR(keys.key[0].identity, "a");
	end();
}

static void not_there(void)
{
	int reader, writer;

	start();
	said_forget();
	CHECK(!keys_read(&keys, path));
	CHECK(said("cannot read") && log_kept.lines == 1);
	CHECK(!keys_read(&keys, root)); /* a directory */
	must(!mkfifo(path, 0600), "make a pipe");
	CHECK(!keys_read(&keys, path)); /* it does not wait */
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	must(write(writer, "a:" K "\n", sizeof(K) + 2) == sizeof(K) + 2 && !close(writer), "write to it");
	CHECK(!keys_read(&keys, path)); /* a key, but no file */
	close(reader);
	end();
}

int main(void)
{
	RUN("a file of keys", good);
	RUN("keys of pairs", of_pairs);
	RUN("malformed files, and in which line", malformed);
	RUN("too many keys", too_many);
	RUN("a file that others may read", of_others);
	RUN("a file that is exchanged while it is read", exchanged);
	RUN("no file", not_there);
	return check_status();
}

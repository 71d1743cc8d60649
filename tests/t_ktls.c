/* SPDX-License-Identifier: MIT */
/*
 * Tests of tls/ktls without the kernel's tls: records in pieces, closes, and what the kernel is told
 * in the end. What it does then is tested in virtual machines.
 * LINK: -Wl,--wrap=setsockopt,--wrap=recv,--wrap=getrandom,--wrap=file_each_line
 */
#include "lib/file.h"
#include "tls/handshake.h"

#include "tests/check.h"
#include "tests/tcp.h"

#include <fcntl.h>
#include <linux/tls.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
	int fd, other;
	struct keys keys;
	struct tls client, server;
	/* the kernel's part */
	int ulp_error, cipher_error, receive_error;
	unsigned ulps, ciphers, receives;
	uint8_t info[2][2][64]; /* of the client's, the server's; TLS_TX, TLS_RX */
	struct tls_cipher out[2]; /* of the client, the server, at the hand-over */
} t;

int __real_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
ssize_t __real_recv(int fd, void *bytes, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags);

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
	if (level == IPPROTO_TCP && option == TCP_ULP) {
		CHECK(!memcmp(value, "tls", 4));
		if (fd != t.fd && fd != t.other) { /* is there one? */
			errno = t.ulp_error ? t.ulp_error : ENOTCONN;
			return -1;
		}
		t.ulps++;
		t.out[fd != t.other] = fd == t.other ? t.client.out : t.server.out;
		errno = t.ulp_error;
		return t.ulp_error ? -1 : 0;
	}
	if (level == SOL_TLS) {
		must(len <= 64, "keep what the kernel is told");
		memcpy(t.info[fd != t.other][option == TLS_RX], value, len);
		t.ciphers++;
		errno = option == TLS_RX && t.receive_error ? t.receive_error : t.cipher_error;
		return errno ? -1 : 0;
	}
	return __real_setsockopt(fd, level, option, value, len);
}

ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags)
{
	t.receives++;
	return __real_recv(fd, bytes, len, flags);
}

static const char *proc_crypto;

int __real_file_each_line(int dir, const char *path, bool (*visit)(void *ctx, char *line), void *ctx);
int __wrap_file_each_line(int dir, const char *path, bool (*visit)(void *ctx, char *line), void *ctx);

int __wrap_file_each_line(int dir, const char *path, bool (*visit)(void *ctx, char *line), void *ctx)
{
	char text[100], *rest = text, *line;

	if (!proc_crypto)
		return __real_file_each_line(dir, path, visit, ctx);
	CHECK_STR(path, "/proc/crypto");
	snprintf(text, sizeof(text), "%s", proc_crypto);
	while ((line = strsep(&rest, "\n")))
		if (visit(ctx, line))
			return 1;
	return 0;
}

static bool no_random;

ssize_t __real_getrandom(void *bytes, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags);

/* A kernel that has no random bytes yet: whoever does not forbid it waits. */
ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags)
{
	if (!no_random)
		return __real_getrandom(bytes, len, flags);
	CHECK(flags & GRND_NONBLOCK);
	errno = EAGAIN;
	return -1;
}

/* fd is the one of ours, other a TCP connection's other end. */
static void start(void)
{
	memset(&t, 0, sizeof(t));
	tcp_pair(&t.fd, &t.other);
	fcntl(t.fd, F_SETFL, O_NONBLOCK);
	fcntl(t.other, F_SETFL, O_NONBLOCK);
	t.keys.count = 1;
	must(!psk_parse(t.keys.key, "laptop:00112233445566778899aabbccddeeff"), "make a key");
}

static void end(void)
{
	close(t.fd);
	if (t.other >= 0)
		close(t.other);
}

static bool ready(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

/* All steps until one has done. */
static int steps(struct tls *tls, int fd)
{
	int result = 0;

	while (!result && ready(fd, 2000))
		result = ktls_step(tls, fd);
	return result;
}

static void say(const void *bytes, size_t len)
{
	must(send(t.other, bytes, len, MSG_NOSIGNAL) == (ssize_t)len, "send");
}

static void whole(void)
{
	start();
	CHECK_INT(ktls_accept(&t.server, &t.keys, false), 0);
	CHECK_INT(ktls_connect(&t.client, t.other, t.keys.key), 0);
	CHECK(ready(t.fd, 2000));
	CHECK_INT(ktls_step(&t.server, t.fd), 0);
	CHECK_INT(steps(&t.client, t.other), 1);
	CHECK_INT(steps(&t.server, t.fd), 1);
	CHECK_INT(t.ulps, 2);
	CHECK_INT(t.ciphers, 4);
	CHECK(!memcmp(t.info[0][0], t.info[1][1], 64));
	CHECK(!memcmp(t.info[0][1], t.info[1][0], 64));
	CHECK(memcmp(t.info[0][0], t.info[0][1], 64));
	for (int i = 0; i < 2; i++)
		CHECK(memmem(t.info[i][0], 64, t.out[i].key, 16));
	/* all is forgotten but who it is */
	CHECK(t.server.key == t.keys.key && t.client.key == t.keys.key);
	t.server.key = NULL;
	for (size_t i = 0; i < sizeof(t.server); i++)
		CHECK(!((uint8_t *)&t.server)[i]);
	CHECK(!ready(t.fd, 0));
	end();
}

static int handed_over(void)
{
	CHECK_INT(ktls_accept(&t.server, &t.keys, false), 0);
	CHECK_INT(ktls_connect(&t.client, t.other, t.keys.key), 0);
	CHECK(ready(t.fd, 2000));
	CHECK_INT(ktls_step(&t.server, t.fd), 0);
	return steps(&t.client, t.other);
}

static void no_kernel(void)
{
	static const int errors[] = { ENOENT, ENOPROTOOPT, EPERM };
	static const struct tls none;

	for (size_t i = 0; i < LENGTH(errors); i++) {
		start();
		t.ulp_error = errors[i];
		CHECK_INT(handed_over(), KTLS_NONE);
		CHECK_INT(t.ciphers, 0);
		CHECK(t.client.in.aead && t.client.out.aead);
		end();
	}
	start();
	t.cipher_error = ENOENT;
	CHECK_INT(handed_over(), KTLS_NONE);
	CHECK_INT(t.ciphers, 1);
	CHECK(t.client.in.aead && t.client.out.aead);
	end();
	start(); /* it encrypts already: nobody else can go on */
	t.receive_error = ENOMEM;
	CHECK_INT(handed_over(), -ENOMEM);
	t.client.key = NULL;
	CHECK_BYTES(&t.client, &none, sizeof(none));
	end();
	start();
	t.ulp_error = ENOTCONN;
	CHECK_INT(handed_over(), -ECONNRESET);
	end();
}

/* A byte at a time: it is not woken for each, and takes nothing before all is there. */
static void pieces(void)
{
	uint8_t hello[TLS_REPLY_MAX];
	ssize_t len;

	start();
	CHECK_INT(ktls_connect(&t.client, t.fd, t.keys.key), 0); /* towards the test */
	len = __real_recv(t.other, hello, sizeof(hello), 0);
	must(len > 100, "take the hello");
	ktls_accept(&t.server, &t.keys, false);
	for (ssize_t i = 0; i < len - 1; i++) {
		say(hello + i, 1);
		if (ready(t.fd, 0))
			CHECK_INT(ktls_step(&t.server, t.fd), 0);
	}
	CHECK(t.receives <= 4); /* the first byte, the header, the rest */
	CHECK_INT(t.server.state, TLS_CLIENT_HELLO);
	CHECK(!ready(t.fd, 50));
	say(hello + len - 1, 1);
	say("next", 4);
	CHECK(ready(t.fd, 2000));
	CHECK_INT(ktls_step(&t.server, t.fd), 0);
	CHECK(ready(t.other, 2000)); /* its answer */
	CHECK(ready(t.fd, 2000));    /* fewer bytes are enough again */
	/* what is behind it stays there */
	CHECK_INT(__real_recv(t.fd, hello, sizeof(hello), MSG_PEEK), 4);
	end();
}

static void closes(void)
{
	static const uint8_t begin[] = { 22, 3, 1, 0, 200, 1, 0 };

	for (size_t len = 0; len <= sizeof(begin); len++) {
		for (unsigned woken = 0; woken < 2; woken++) {
			int result = 0;

			start();
			ktls_accept(&t.server, &t.keys, false);
			if (len)
				say(begin, len);
			if (woken && len && ready(t.fd, 2000))
				CHECK_INT(ktls_step(&t.server, t.fd), 0);
			close(t.other);
			t.other = -1;
			/* in the end, and in few steps: it does not spin */
			for (unsigned i = 0; i < 4 && !result; i++) {
				CHECK(ready(t.fd, 2000));
				result = ktls_step(&t.server, t.fd);
			}
			CHECK_INT(result, -ECONNRESET);
			end();
		}
	}
}

static void sizes(void)
{
	static const struct {
		uint8_t header[TLS_HEADER_SIZE];
		int result;
	} table[] = {
		{ { 22, 3, 1, 0x0f, 0xfc }, -EBADMSG }, /* 4092 and the header: one too many */
		{ { 22, 3, 1, 0xff, 0xff }, -EBADMSG },
		{ { 22, 3, 1, 0, 0 }, -EBADMSG },
		{ { 22, 2, 1, 0, 9 }, -EBADMSG },
		{ { 1, 0x11, 0, 3, 0 }, -EBADMSG }, /* USB/IP */
		{ { 22, 3, 1, 0x0f, 0xfb }, 0 },
	};

	for (size_t i = 0; i < LENGTH(table); i++) {
		start();
		ktls_accept(&t.server, &t.keys, false);
		say(table[i].header, TLS_HEADER_SIZE);
		CHECK(ready(t.fd, 2000));
		CHECK_INT(ktls_step(&t.server, t.fd), table[i].result);
		end();
	}
	/* the largest, which is nothing that is understood */
	start();
	ktls_accept(&t.server, &t.keys, false);
	{
		uint8_t record[TLS_RECORD_MAX] = { 22, 3, 1, 0x0f, 0xfb };

		say(record, sizeof(record));
		CHECK_INT(steps(&t.server, t.fd), -EBADMSG);
	}
	end();
}

/* One that says without end that it changes its cipher is given one step for each. */
static void endless(void)
{
	static const uint8_t change[] = { 20, 3, 3, 0, 1, 1 };
	unsigned before;

	start();
	ktls_accept(&t.server, &t.keys, false);
	ktls_connect(&t.client, t.other, t.keys.key);
	CHECK(ready(t.fd, 2000));
	CHECK_INT(ktls_step(&t.server, t.fd), 0);
	for (unsigned i = 0; i < 100; i++)
		say(change, sizeof(change));
	CHECK(ready(t.fd, 2000));
	before = t.receives;
	CHECK_INT(ktls_step(&t.server, t.fd), 0);
	CHECK(t.receives - before <= 3);
	end();
}

/* The client's hello reaches the server. Returns what that says. */
static int hello(const uint8_t *record, size_t len)
{
	int result;

	say(record, len);
	CHECK(ready(t.fd, 2000));
	result = ktls_step(&t.server, t.fd);
	end();
	return result;
}

/* A hello that was recorded, also after others; not before so many that it is forgotten. */
static void replays(void)
{
	enum { REMEMBERED = 64 };
	static uint8_t record[REMEMBERED + 1][TLS_REPLY_MAX];
	static size_t len[REMEMBERED + 1];

	for (size_t i = 0; i < LENGTH(record); i++) {
		start();
		ktls_accept(&t.server, &t.keys, false);
		ktls_connect(&t.client, t.other, t.keys.key);
		CHECK(ready(t.fd, 2000));
		len[i] = (size_t)recv(t.fd, record[i], sizeof(record[i]), MSG_PEEK);
		CHECK_INT(ktls_step(&t.server, t.fd), 0);
		end();
		if (i && i < REMEMBERED)
			continue;
		start();
		ktls_accept(&t.server, &t.keys, false);
		CHECK_INT(hello(record[i], len[i]), -EALREADY);
	}
	start();
	ktls_accept(&t.server, &t.keys, false);
	CHECK_INT(hello(record[1], len[1]), -EALREADY);
	start();
	ktls_accept(&t.server, &t.keys, false);
	CHECK_INT(hello(record[0], len[0]), 0); /* of 65 before */
}

/* Nobody can make the server forget, or refuse a client, with hellos that no key has made. */
static void forged_hellos(void)
{
	uint8_t record[TLS_REPLY_MAX];
	size_t len;

	start();
	ktls_connect(&t.client, t.other, t.keys.key);
	CHECK(ready(t.fd, 2000));
	len = (size_t)recv(t.fd, record, sizeof(record), 0);
	end();
	record[len - 1] ^= 1;
	for (int i = 0; i < 2; i++) {
		start();
		ktls_accept(&t.server, &t.keys, false);
		CHECK_INT(hello(record, len), -EACCES);
	}
	record[len - 1] ^= 1;
	start();
	ktls_accept(&t.server, &t.keys, false);
	CHECK_INT(hello(record, len), 0);
}

static void without_random(void)
{
	start();
	no_random = true;
	CHECK_INT(ktls_connect(&t.client, t.other, t.keys.key), -EAGAIN);
	CHECK_INT(ktls_accept(&t.server, &t.keys, false), -EAGAIN);
	no_random = false;
	CHECK(!ready(t.fd, 0)); /* nothing was sent */
	end();
}

/* What a kernel without TLS says of its ciphers does not count. */
static void ciphers(void)
{
	start();
	t.ulp_error = ENOENT;
	CHECK(ktls_has_aes());
	proc_crypto = "name : gcm(aes)\ndriver : generic-gcm-aesni\n";
	t.ulp_error = 0;
	CHECK(ktls_has_aes());
	proc_crypto = "name : gcm(aes)\ndriver : gcm_base(ctr(aes-generic),ghash-generic)\n";
	CHECK(!ktls_has_aes());
	t.ulp_error = ENOENT;
	CHECK(ktls_has_aes());
	proc_crypto = NULL;
	end();
}

static void words(void)
{
	CHECK(strstr(ktls_strerror(-EALREADY), "recorded"));
	CHECK(strstr(ktls_strerror(-EACCES), "the same key"));
	CHECK(strstr(ktls_strerror(-ENOKEY), "unknown key name"));
	CHECK(strstr(ktls_strerror(-EBADMSG), "TLS"));
	CHECK(strstr(ktls_strerror(-ECONNRESET), "--psk"));
	CHECK(strstr(ktls_strerror(-EIO), strerror(EIO)));
}

int main(void)
{
	RUN("a handshake, and what the kernel is told", whole);
	RUN("a kernel without tls, or without the cipher", no_kernel);
	RUN("which cipher", ciphers);
	RUN("records in pieces", pieces);
	RUN("closed in the middle", closes);
	RUN("records of every size", sizes);
	RUN("records without end", endless);
	RUN("a hello that was recorded", replays);
	RUN("hellos that no key has made", forged_hellos);
	RUN("no random bytes yet", without_random);
	RUN("why it failed, in words", words);
	return check_status();
}

/* SPDX-License-Identifier: MIT */
/* A handshake on a socket, after which the kernel encrypts and decrypts what goes over it. */
#include "tls/ktls.h"

#include "lib/file.h"
#include "lib/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

enum { STACK_SIZE = 4096 /* more than a step of the handshake takes */ };

/* "name : gcm(aes)", then "driver : generic-gcm-aesni"; one put together of parts has brackets. */
static bool is_fast(void *ctx, char *line)
{
	bool *here = ctx;

	if (!strncmp(line, "name ", 5))
		*here = strstr(line, ": gcm(aes)") != NULL;
	return *here && !strncmp(line, "driver ", 7) && !strchr(line, '(');
}

bool ktls_has_aes(void)
{
	bool here = false;

	return file_each_line(AT_FDCWD, "/proc/crypto", is_fast, &here);
}

static int send_message(int fd, const uint8_t *bytes, const struct wire_out *out)
{
	return out->bad ? -EIO : socket_send_all(fd, bytes, (size_t)(out->p - bytes));
}

/* Where the handshake has computed: what a function leaves on the stack stays there. */
static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t used[STACK_SIZE];

	explicit_bzero(used, sizeof(used));
}

int ktls_connect(struct tls *tls, int fd, const struct psk *key)
{
	uint8_t random[TLS_RANDOM_SIZE], hello[TLS_REPLY_MAX];
	struct wire_out out = { hello, sizeof(hello), false };

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	tls_client(tls, key, ktls_has_aes(), random, &out);
	explicit_bzero(random, sizeof(random));
	wipe_stack();
	return send_message(fd, hello, &out) ? -ECONNRESET : 0;
}

int ktls_accept(struct tls *tls, const struct psk *keys, unsigned count, bool aes)
{
	uint8_t random[TLS_RANDOM_SIZE];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	tls_server(tls, keys, count, aes, random);
	explicit_bzero(random, sizeof(random));
	return 0;
}

/* linux/tls.h; the nonce is split in two for AES-128-GCM. 0: all is well. */
static int set_direction(bool aes, int fd, int direction,
			 const struct tls_cipher *cipher)
{
	union {
		struct tls_crypto_info info;
		struct tls12_crypto_info_aes_gcm_128 aes;
		struct tls12_crypto_info_chacha20_poly1305 chacha;
	} u = { .info.version = TLS_1_3_VERSION };
	socklen_t size = sizeof(u.aes);

	if (aes) {
		u.info.cipher_type = TLS_CIPHER_AES_GCM_128;
		memcpy(u.aes.salt, cipher->iv, sizeof(u.aes.salt));
		memcpy(u.aes.iv, cipher->iv + sizeof(u.aes.salt), sizeof(u.aes.iv));
		memcpy(u.aes.key, cipher->key, sizeof(u.aes.key));
	} else {
		u.info.cipher_type = TLS_CIPHER_CHACHA20_POLY1305;
		memcpy(u.chacha.iv, cipher->iv, sizeof(u.chacha.iv));
		memcpy(u.chacha.key, cipher->key, sizeof(u.chacha.key));
		size = sizeof(u.chacha);
	}
	direction = setsockopt(fd, SOL_TLS, direction, &u, size);
	explicit_bzero(&u, sizeof(u));
	return direction;
}

static int hand_over(struct tls *tls, int fd)
{
	const struct psk *key = tls->key;
	bool aes = tls->aead == &aes128gcm;
	int result = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")))
		result = errno == ENOTCONN ? -ECONNRESET : -errno; /* it hung up meanwhile */
	for (int i = TLS_TX; i <= TLS_RX && result > 0; i++)
		if (set_direction(aes, fd, i, i == TLS_TX ? &tls->out : &tls->in))
			result = -ENOPKG;
	tls_wipe(tls);
	tls->key = key;
	return result;
}

/*
 * A whole record is there, or the socket is not ready again before it is: then 0, else its length.
 * When it is ready with less than it was to wait for, the other end has closed.
 */
static int whole_record(struct tls *tls, int fd, uint8_t *record)
{
	size_t want = TLS_HEADER_SIZE;

	for (;;) {
		ssize_t n = recv(fd, record, want, MSG_PEEK);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0 || ((size_t)n < want && want == tls->waits))
			return -ECONNRESET;
		if ((size_t)n < want) {
			tls->waits = (uint16_t)want;
			socket_set(fd, SOL_SOCKET, SO_RCVLOWAT, (int)want);
			return 0;
		}
		if (want > TLS_HEADER_SIZE)
			return (int)want;
		want += (size_t)record[3] << 8 | record[4];
		/* who speaks no TLS at all may never send so much */
		if (want > TLS_RECORD_MAX || want == TLS_HEADER_SIZE || record[1] != 3)
			return -EBADMSG;
	}
}

const char *ktls_strerror(int error)
{
	switch (error) {
	case -EACCES:
		return "both ends need the same key: compare the files of --psk";
	case -ENOKEY:
		return "the name of its key is not in the file of --psk";
	case -EBADMSG:
		return "it speaks no TLS with keys";
	case -ECONNRESET:
		return "it hung up: is --psk given at one end only, or is this end not in its "
		       "--allow?";
	case -ENOENT:
		return "this kernel has no module tls: modprobe tls";
	case -ENOPKG:
		return "this kernel's module tls has not the cipher";
	default:
		return strerror(-error);
	}
}

int ktls_step(struct tls *tls, int fd)
{
	uint8_t record[TLS_RECORD_MAX], reply[TLS_REPLY_MAX];
	struct wire_out out = { reply, sizeof(reply), false };
	int result, len = whole_record(tls, fd, record);

	if (len <= 0)
		return len;
	if (recv(fd, record, (size_t)len, 0) != len)
		return -ECONNRESET;
	tls->waits = 0;
	socket_set(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
	result = tls_take(tls, record, (size_t)len, &out);
	wipe_stack();
	if (out.p != reply && send_message(fd, reply, &out) && result >= 0)
		result = -ECONNRESET;
	return result == 1 ? hand_over(tls, fd) : result;
}

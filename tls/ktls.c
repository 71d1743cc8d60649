/* SPDX-License-Identifier: MIT */
/* A TLS handshake on a socket; afterwards the kernel encrypts and decrypts its data. */
#include "tls/handshake.h"

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
#include <unistd.h>

enum {
	STACK_SIZE = 8192, /* more than one step of the handshake uses */
	HELLOS_MAX = 64,
};

/* How the latest hellos ended that came from clients with a key: with a binder, 4.2.11.2, which the
 * client's random number makes different each time. */
static struct {
	uint8_t binder[HELLOS_MAX][SHA256_SIZE];
	unsigned next;
} hellos;

/* An entry of /proc/crypto begins with "name : gcm(aes)"; then comes "driver : generic-gcm-aesni".
 * The name of a driver that is composed of a generic GCM and an AES has parentheses. */
static bool is_fast_gcm(void *ctx, char *line)
{
	bool *in_entry = ctx;

	if (!strncmp(line, "name ", 5))
		*in_entry = strstr(line, ": gcm(aes)") != NULL;
	return *in_entry && !strncmp(line, "driver ", 7) && !strchr(line, '(');
}

/* Asked of a socket that is not connected, as containers may not see what the kernel lists. */
static bool kernel_has_tls(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) && errno == ENOTCONN;

	close(fd);
	return has;
}

bool ktls_has_aes(void)
{
	bool in_entry = false;

	return !kernel_has_tls() ||
	       file_each_line(AT_FDCWD, "/proc/crypto", is_fast_gcm, &in_entry) > 0;
}

/* Overwrites the stack below, where the functions of a handshake have left secrets. */
static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t used[STACK_SIZE];

	explicit_bzero(used, sizeof(used));
}

/* Soon after the boot of a small machine the kernel may have no random bytes yet: the loop does not
 * wait for them. */
static bool fill_random(uint8_t *random, size_t size)
{
	return getrandom(random, size, GRND_NONBLOCK) == (ssize_t)size;
}

int ktls_connect(struct tls *tls, int fd, const struct psk *key)
{
	uint8_t random[TLS_RANDOM_SIZE], hello[TLS_REPLY_MAX];
	struct wire_out out = { hello, sizeof(hello), false };

	if (!fill_random(random, sizeof(random)))
		return -EAGAIN;
	tls_client(tls, key, ktls_has_aes(), random, &out);
	explicit_bzero(random, sizeof(random));
	wipe_stack();
	return socket_send_all(fd, hello, (size_t)(out.p - hello)) ? -ECONNRESET : 0;
}

int ktls_accept(struct tls *tls, const struct keys *keys, bool aes)
{
	uint8_t random[TLS_RANDOM_SIZE];

	if (!fill_random(random, sizeof(random)))
		return -EAGAIN;
	tls_server(tls, keys, aes, random);
	explicit_bzero(random, sizeof(random));
	return 0;
}

/* direction is TLS_TX or TLS_RX: linux/tls.h. The nonce of AES-128-GCM is split in two. */
static int set_kernel_cipher(bool aes, int fd, int direction, const struct tls_cipher *cipher)
{
	union {
		struct tls_crypto_info info;
		struct tls12_crypto_info_aes_gcm_128 aes;
		struct tls12_crypto_info_chacha20_poly1305 chacha;
	} u = { .info = { TLS_1_3_VERSION,
			  aes ? TLS_CIPHER_AES_GCM_128 : TLS_CIPHER_CHACHA20_POLY1305 } };
	int result;

	if (aes) {
		memcpy(u.aes.salt, cipher->iv, sizeof(u.aes.salt));
		memcpy(u.aes.iv, cipher->iv + sizeof(u.aes.salt), sizeof(u.aes.iv));
		memcpy(u.aes.key, cipher->key, sizeof(u.aes.key));
	} else {
		memcpy(u.chacha.iv, cipher->iv, sizeof(u.chacha.iv));
		memcpy(u.chacha.key, cipher->key, sizeof(u.chacha.key));
	}
	result = setsockopt(fd, SOL_TLS, direction, &u, aes ? sizeof(u.aes) : sizeof(u.chacha));
	explicit_bzero(&u, sizeof(u));
	return result;
}

void tls_forget(struct tls *tls)
{
	const struct psk *key = tls->key;

	explicit_bzero(tls, sizeof(*tls));
	tls->key = key;
}

/* The handshake is done: the kernel takes the keys over, unless it has no TLS, or no such cipher.
 * As ktls_step(). */
static int hand_over_to_kernel(struct tls *tls, int fd)
{
	bool aes = tls->aead == &aes128gcm;
	int result = KTLS_DONE;

	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")))
		return errno == ENOTCONN ? -ECONNRESET /* closed meanwhile */ : KTLS_NONE;
	if (set_kernel_cipher(aes, fd, TLS_TX, &tls->out))
		return KTLS_NONE;
	if (set_kernel_cipher(aes, fd, TLS_RX, &tls->in))
		result = -errno;
	tls_forget(tls);
	return result;
}

/*
 * Looks for a whole record and leaves it in the socket. Returns its length, or 0 if bytes are
 * missing: then the socket is not readable again before that many are there, or the other end has
 * closed. So if it is readable and they are still not there, it has closed.
 */
static int peek_record(struct tls *tls, int fd, uint8_t record[TLS_RECORD_MAX])
{
	int n = socket_receive(fd, record, TLS_RECORD_MAX, MSG_PEEK), want = TLS_HEADER_SIZE;

	if (n <= 0)
		return n;
	if (n >= TLS_HEADER_SIZE) {
		want += record[3] << 8 | record[4];
		/* a peer that does not speak TLS may never send as much as this seems to say */
		if (want > TLS_RECORD_MAX || record[1] != 3)
			return -EBADMSG;
	}
	if (n >= want)
		return want;
	if (want == tls->record_size)
		return -ECONNRESET;
	tls->record_size = (uint16_t)want;
	socket_set(fd, SOL_SOCKET, SO_RCVLOWAT, want);
	return 0;
}

const char *ktls_strerror(int error)
{
	switch (error) {
	case -EACCES:
		return "both ends need the same key: compare the files of --psk";
	case -ENOKEY:
		return "unknown key name: it is not in the file of --psk";
	case -EALREADY:
		return "it repeats a hello that was recorded";
	case -EBADMSG:
		return "it does not speak TLS 1.3 with a pre-shared key";
	case -ECONNRESET:
		return "it hung up: is --psk given at one end only, or is this end not in its "
		       "--allow?";
	default:
		return strerror(-error);
	}
}

static bool is_replay(const uint8_t *binder)
{
	for (unsigned i = 0; i < HELLOS_MAX && i < hellos.next; i++)
		if (!memcmp(hellos.binder[i], binder, SHA256_SIZE))
			return true;
	return false;
}

/* As tls_take(). Whoever has recorded a hello could keep a server busy with it, as the answer takes
 * two multiplications on the curve. */
static int take_once(struct tls *tls, uint8_t *record, size_t len, struct wire_out *out)
{
	bool hello = tls->state == TLS_CLIENT_HELLO && len > SHA256_SIZE;
	const uint8_t *binder = record + len - SHA256_SIZE;
	int result;

	if (hello && is_replay(binder))
		return -EALREADY;
	result = tls_take(tls, record, len, out);
	if (hello && !result)
		memcpy(hellos.binder[hellos.next++ % HELLOS_MAX], binder, SHA256_SIZE);
	return result;
}

int ktls_step(struct tls *tls, int fd)
{
	uint8_t record[TLS_RECORD_MAX], reply[TLS_REPLY_MAX];
	struct wire_out out = { reply, sizeof(reply), false };
	int result, len = peek_record(tls, fd, record);

	if (len <= 0)
		return len;
	if (recv(fd, record, (size_t)len, 0) != len)
		return -ECONNRESET;
	tls->record_size = 0;
	socket_set(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
	result = take_once(tls, record, (size_t)len, &out);
	wipe_stack();
	if (out.p != reply && socket_send_all(fd, reply, (size_t)(out.p - reply)) && result >= 0)
		result = -ECONNRESET;
	return result == 1 ? hand_over_to_kernel(tls, fd) : result;
}

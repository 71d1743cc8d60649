/* SPDX-License-Identifier: MIT */
/* The secrets of a handshake: its transcript and the key schedule of TLS 1.3. */
#include "tls/schedule.h"

#include <string.h>

void schedule_add_message(struct tls *tls, const void *bytes, size_t len)
{
	sha256_add(&tls->transcript, bytes, len);
}

static void transcript_digest(const struct tls *tls, uint8_t digest[SHA256_SIZE])
{
	struct sha256 hash = tls->transcript;

	sha256_end(&hash, digest);
}

/* 7.1: Derive-Secret with no messages */
static void derive_empty(uint8_t out[SHA256_SIZE], const uint8_t *secret, const char *label)
{
	struct sha256 hash;
	uint8_t empty[SHA256_SIZE];

	sha256_start(&hash);
	sha256_end(&hash, empty);
	hkdf_label(out, SHA256_SIZE, secret, label, empty);
}

/* 7.1: the next secret of the schedule */
static void advance_secret(struct tls *tls, const uint8_t input[SHA256_SIZE])
{
	uint8_t salt[SHA256_SIZE];

	derive_empty(salt, tls->secret, "derived");
	hmac(tls->secret, salt, input, SHA256_SIZE);
}

/* 7.1: Derive-Secret for both directions; the labels have the same length */
static void derive_traffic(struct tls *tls, const char *client_label, const char *server_label)
{
	uint8_t digest[SHA256_SIZE];

	transcript_digest(tls, digest);
	hkdf_label(tls->traffic[TLS_END_CLIENT], SHA256_SIZE, tls->secret, client_label, digest);
	hkdf_label(tls->traffic[TLS_END_SERVER], SHA256_SIZE, tls->secret, server_label, digest);
}

static void set_cipher(const struct tls *tls, struct tls_cipher *cipher, enum tls_end end)
{
	const uint8_t *secret = tls->traffic[end];

	hkdf_label(cipher->key, tls->aead->key_size, secret, "key", NULL);
	hkdf_label(cipher->iv, sizeof(cipher->iv), secret, "iv", NULL);
	cipher->sequence = 0;
}

void schedule_set_ciphers(struct tls *tls)
{
	set_cipher(tls, &tls->in, tls->server ? TLS_END_CLIENT : TLS_END_SERVER);
	set_cipher(tls, &tls->out, tls->server ? TLS_END_SERVER : TLS_END_CLIENT);
}

/* 4.4.4 */
static void finished_mac(uint8_t mac[SHA256_SIZE], const uint8_t base[SHA256_SIZE],
			 const uint8_t digest[SHA256_SIZE])
{
	uint8_t key[SHA256_SIZE];

	hkdf_label(key, sizeof(key), base, "finished", NULL);
	hmac(mac, key, digest, SHA256_SIZE);
}

void schedule_binder(const struct tls *tls, const struct psk *key, uint8_t mac[SHA256_SIZE])
{
	uint8_t base[SHA256_SIZE], digest[SHA256_SIZE];

	derive_empty(base, key->secret, "ext binder");
	transcript_digest(tls, digest);
	finished_mac(mac, base, digest);
}

bool schedule_agree(struct tls *tls, const uint8_t share[X25519_SIZE])
{
	uint8_t shared[X25519_SIZE];

	if (!x25519(shared, tls->private_key, share))
		return false;
	memcpy(tls->secret, tls->key->secret, sizeof(tls->secret));
	advance_secret(tls, shared);
	explicit_bzero(shared, sizeof(shared));
	derive_traffic(tls, "c hs traffic", "s hs traffic");
	schedule_set_ciphers(tls);
	return true;
}

void schedule_finished(const struct tls *tls, enum tls_end end, uint8_t mac[SHA256_SIZE])
{
	uint8_t digest[SHA256_SIZE];

	transcript_digest(tls, digest);
	finished_mac(mac, tls->traffic[end], digest);
}

void schedule_application(struct tls *tls)
{
	static const uint8_t zeros[SHA256_SIZE];

	advance_secret(tls, zeros);
	derive_traffic(tls, "c ap traffic", "s ap traffic");
}

void schedule_next_nonce(struct tls_cipher *cipher, uint8_t nonce[AEAD_NONCE_SIZE])
{
	memcpy(nonce, cipher->iv, AEAD_NONCE_SIZE);
	for (unsigned i = 0; i < 8; i++)
		nonce[AEAD_NONCE_SIZE - 1 - i] ^= (uint8_t)(cipher->sequence >> (8 * i));
	cipher->sequence++;
}

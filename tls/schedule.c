/* SPDX-License-Identifier: MIT */
/* The secrets of a handshake: the key schedule of TLS 1.3. */
#include "tls/handshake_internal.h"

#include <string.h>

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

	sha256_begin(&hash);
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

/* 7.1: Derive-Secret for one direction; 7.3: its key and nonce */
static void derive_cipher(const struct tls *tls, struct tls_cipher *cipher, const char *label)
{
	uint8_t digest[SHA256_SIZE];

	transcript_digest(tls, digest);
	cipher->aead = tls->aead;
	hkdf_label(cipher->secret, SHA256_SIZE, tls->secret, label, digest);
	hkdf_label(cipher->key, tls->aead->key_size, cipher->secret, "key", NULL);
	hkdf_label(cipher->iv, sizeof(cipher->iv), cipher->secret, "iv", NULL);
	cipher->sequence = 0;
}

void schedule_finished(const struct tls *tls, const uint8_t *secret, uint8_t mac[SHA256_SIZE])
{
	uint8_t key[SHA256_SIZE], digest[SHA256_SIZE];

	hkdf_label(key, sizeof(key), secret, "finished", NULL);
	transcript_digest(tls, digest);
	hmac(mac, key, digest, sizeof(digest));
}

void schedule_binder(const struct tls *tls, const struct psk *key, uint8_t mac[SHA256_SIZE])
{
	uint8_t secret[SHA256_SIZE];

	derive_empty(secret, key->secret, "ext binder");
	schedule_finished(tls, secret, mac);
}

bool schedule_agree(struct tls *tls, const struct tls_hello *hello)
{
	uint8_t shared[X25519_SIZE];

	if (!x25519(shared, tls->private_key, hello->share))
		return false;
	tls->aead = hello->suite == TLS_AES_128_GCM_SHA256 ? &aes128gcm : &chacha20poly1305;
	memcpy(tls->secret, tls->key->secret, sizeof(tls->secret));
	advance_secret(tls, shared);
	explicit_bzero(shared, sizeof(shared));
	derive_cipher(tls, tls->server ? &tls->in : &tls->out, "c hs traffic");
	derive_cipher(tls, tls->server ? &tls->out : &tls->in, "s hs traffic");
	return true;
}

void schedule_application(struct tls *tls)
{
	advance_secret(tls, crypto_zeros);
	derive_cipher(tls, tls->server ? &tls->in : &tls->out, "c ap traffic");
	derive_cipher(tls, tls->server ? &tls->out : &tls->in, "s ap traffic");
}

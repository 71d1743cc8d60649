/* SPDX-License-Identifier: MIT */
/* Tests of tls/record: published records, and what an attacker or a fault makes of one. */
#include "tls/record.h"

#include "tests/aes_plain.h"
#include "tests/hex.h"

enum { ROOM = RECORD_MAX + 1 };

static const struct aead *const ciphers[] = { &chacha20poly1305, &aes128gcm };

static struct tls_cipher cipher_of(const struct aead *aead, const char *key, const char *iv)
{
	struct tls_cipher cipher = { .aead = aead };

	from_hex(cipher.key, sizeof(cipher.key), key);
	from_hex(cipher.iv, sizeof(cipher.iv), iv);
	return cipher;
}

static struct tls_cipher some_cipher(const struct aead *aead)
{
	return cipher_of(aead, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
			 "070000004041424344454647");
}

/* A record whose text ends with this type and padding, sealed by hand; to be freed. */
static uint8_t *make_record(const struct tls_cipher *cipher, const uint8_t *inner, size_t len)
{
	uint8_t *record = block(NULL, TLS_HEADER_SIZE + len + AEAD_TAG_SIZE);
	uint8_t nonce[AEAD_NONCE_SIZE];
	size_t body = len + AEAD_TAG_SIZE;

	memcpy(record, (uint8_t[]){ 23, 3, 3, (uint8_t)(body >> 8), (uint8_t)body }, 5);
	if (len)
		memcpy(record + TLS_HEADER_SIZE, inner, len);
	memcpy(nonce, cipher->iv, sizeof(nonce));
	for (unsigned i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(cipher->sequence >> (8 * i));
	aead_seal(cipher->aead, cipher->key, nonce, record, TLS_HEADER_SIZE,
		  record + TLS_HEADER_SIZE, len);
	return record;
}

/* It is sealed to these bytes, and opened again. */
static void check_record(struct tls_cipher *cipher, uint8_t type, const uint8_t *text, size_t len,
			 const char *want)
{
	struct tls_cipher other = *cipher;
	uint8_t *record = block(NULL, TLS_HEADER_SIZE + len + RECORD_TAIL_SIZE), got;
	int size = TLS_HEADER_SIZE + (int)len + RECORD_TAIL_SIZE;

	memcpy(record + TLS_HEADER_SIZE, text, len);
	CHECK_INT(record_seal(cipher, type, record, len), size);
	CHECK_HEX(record, want);
	CHECK_INT(record_size(record, TLS_HEADER_SIZE), size);
	CHECK_INT(record_open(&other, record, (size_t)size, &got), len);
	CHECK_INT(got, type);
	CHECK_BYTES(record + TLS_HEADER_SIZE, text, len);
	CHECK_INT(other.sequence, cipher->sequence);
	block_free(record);
}

/* RFC 8448 3: {client} and {server} send application_data; the client's alert */
static void published(const struct aead *aes)
{
	struct tls_cipher client = cipher_of(aes, "17422dda596ed5d9acd890e3c63f5051",
					     "5b78923dee08579033e523d9");
	struct tls_cipher server = cipher_of(aes, "9f02283b6c9c07efc26bb9f2ac92e356",
					     "cf782b88dd83549aadf1e984");
	uint8_t text[50];

	for (uint8_t i = 0; i < sizeof(text); i++)
		text[i] = i;
	check_record(&client, TLS_APPLICATION_DATA, text, sizeof(text),
		     "1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f"
		     "2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014bd1e3deae6"
		     "3aeebb21694915e4");
	check_record(&client, TLS_ALERT, (const uint8_t[]){ 1, 0 }, 2,
		     "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3");
	server.sequence = 1; /* behind a ticket */
	check_record(&server, TLS_APPLICATION_DATA, text, sizeof(text),
		     "17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36"
		     "e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047c2abf33254"
		     "0dd032e167c2955d");
}

static void published_by_bits(void)
{
	published(&aes_plain);
}

static void published_by_instructions(void)
{
	published(&aes128gcm);
}

/* By Python's cryptography, which is OpenSSL's; a number whose bytes all differ, and padding. */
static void chacha20(void)
{
	struct tls_cipher cipher = some_cipher(&chacha20poly1305);
	uint8_t text[50], record[64], type;
	size_t len;

	for (uint8_t i = 0; i < sizeof(text); i++)
		text[i] = i;
	check_record(&cipher, TLS_APPLICATION_DATA, text, sizeof(text),
		     "17030300439f7aeb5e05f846bd1deb85f03a8c04a1d1d19a2c1d1478c9c593ca"
		     "9c499f1dba6ebfe91b88ab780c90f39824d6f67cc74535a58d5c1e5612d80aa6"
		     "32ebf659c5cc6e4c");
	cipher.sequence = 0x0102030405060708;
	len = from_hex(record, sizeof(record),
		       "1703030019d5d4e5eab7367b6c4031f828e72383e1d9c88d46716be6da16");
	CHECK_INT(record_open(&cipher, record, len, &type), 5);
	CHECK_INT(type, TLS_HANDSHAKE);
	CHECK_BYTES(record + TLS_HEADER_SIZE, "usbip", 5);
	CHECK_INT(cipher.sequence, 0x0102030405060709);
}

/* Every length about the borders of blocks, and the longest ones: each with its own number. */
static void lengths(const struct aead *aead)
{
	struct tls_cipher in = some_cipher(aead), out = in;
	static uint8_t text[RECORD_TEXT_MAX];
	const size_t gap = RECORD_TEXT_MAX - 160;
	unsigned records = 0;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t len = 0; len <= RECORD_TEXT_MAX; len += len == 150 ? gap : 1) {
		int size = TLS_HEADER_SIZE + (int)len + RECORD_TAIL_SIZE;
		uint8_t *record = block(NULL, (size_t)size), type;

		memcpy(record + TLS_HEADER_SIZE, text, len);
		CHECK_INT(record_seal(&out, TLS_APPLICATION_DATA, record, len), size);
		CHECK_INT(record_size(record, (size_t)size), size);
		CHECK(len < 8 || memcmp(record + TLS_HEADER_SIZE, text, len));
		CHECK_INT(record_open(&in, record, (size_t)size, &type), len);
		CHECK_INT(type, TLS_APPLICATION_DATA);
		CHECK_BYTES(record + TLS_HEADER_SIZE, text, len);
		CHECK_INT(in.sequence, ++records);
		CHECK_INT(out.sequence, records);
		block_free(record);
	}
	CHECK_INT(records, 151 + 11);
}

/* A record in a block of its own size; afterwards the cipher opens nothing any more. */
static void check_refused(const struct tls_cipher *cipher, const uint8_t *record, size_t len)
{
	static const struct tls_cipher none;
	struct tls_cipher in = *cipher;
	uint8_t *exact = block(record, len), type;

	CHECK_INT(record_open(&in, exact, len, &type), -EBADMSG);
	CHECK_BYTES(&in, &none, sizeof(none));
	block_free(exact);
}

/* Every bit of a record, every cut, more behind it, and other numbers. */
static void damage(const struct aead *aead)
{
	struct tls_cipher cipher = some_cipher(aead), out = cipher, other;
	uint8_t record[TLS_HEADER_SIZE + 20 + RECORD_TAIL_SIZE + 1] = { 0 }, type;
	size_t len = sizeof(record) - 1;

	memcpy(record + TLS_HEADER_SIZE, "twenty bytes of text", 20);
	CHECK_INT(record_seal(&out, TLS_APPLICATION_DATA, record, 20), len);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		check_refused(&cipher, record, len);
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < len; cut++) {
		check_refused(&cipher, record, cut);
		if (cut < TLS_HEADER_SIZE + RECORD_TAIL_SIZE)
			continue;
		record[4] = (uint8_t)(cut - TLS_HEADER_SIZE);
		check_refused(&cipher, record, cut);
		record[4] = (uint8_t)(len - TLS_HEADER_SIZE);
	}
	check_refused(&cipher, record, len + 1);
	other = cipher;
	other.sequence = 1; /* it comes again, or the one before it is missing */
	check_refused(&other, record, len);
	other.sequence = 1ULL << 32;
	check_refused(&other, record, len);
	other = cipher;
	other.key[0] ^= 1;
	check_refused(&other, record, len);
	CHECK_INT(record_open(&cipher, record, len, &type), 20);
	CHECK_BYTES(record + TLS_HEADER_SIZE, "twenty bytes of text", 20);
}

/* 5.1, 5.2, 5.4: what is right in its tag and still no record. */
static void contents(const struct aead *aead)
{
	const struct tls_cipher cipher = some_cipher(aead);
	static uint8_t inner[RECORD_TEXT_MAX + 2];

	for (unsigned type = 0; type < 256; type++)
		for (unsigned len = 0; len < 2; len++)
			for (unsigned padding = 0; padding < 3; padding++) {
				struct tls_cipher in = cipher;
				size_t size = TLS_HEADER_SIZE + len + 1 + padding + AEAD_TAG_SIZE;
				uint8_t text[4] = { 0 }, got, *record;

				text[0] = 'x';
				text[len] = (uint8_t)type;
				record = make_record(&cipher, text, len + 1 + padding);
				/* without a type the text's last byte is it */
				if (type == 23 || (len && (type == 21 || type == 22))) {
					CHECK_INT(record_open(&in, record, size, &got), len);
					CHECK_INT(got, type);
				} else {
					CHECK_INT(record_open(&in, record, size, &got), -EBADMSG);
				}
				block_free(record);
			}
	/* the most that fits, of text or of padding; one more; nothing at all; no type, where the
	 * header's size begins with 23 and ends with 0 */
	for (unsigned i = 0; i < 7; i++) {
		struct tls_cipher in = cipher;
		size_t len = i == 6 ? (23 << 8) - AEAD_TAG_SIZE :
			     i == 5 ? 0 :
				      RECORD_TEXT_MAX + (i == 4 ? 2 : 1);
		uint8_t got, *record;
		int result;

		memset(inner, 0, sizeof(inner));
		if (i < 2)
			inner[i ? RECORD_TEXT_MAX : 0] = 23;
		else if (i == 2)
			inner[RECORD_TEXT_MAX / 2] = 23;
		else if (i == 4)
			inner[RECORD_TEXT_MAX + 1] = 23;
		record = make_record(&cipher, inner, len);
		result = record_open(&in, record, TLS_HEADER_SIZE + len + AEAD_TAG_SIZE, &got);
		CHECK_INT(result, i == 0 ? 0 :
				  i == 1 ? RECORD_TEXT_MAX :
				  i == 2 ? RECORD_TEXT_MAX / 2 :
					   -EBADMSG);
		block_free(record);
	}
}

static void for_each_cipher(const char *name, void (*function)(const struct aead *aead))
{
	for (unsigned i = 0; i < LENGTH(ciphers); i++) {
		if (ciphers[i] == &aes128gcm && !aes_is_there()) {
			printf("# left out - %s, AES: this processor has no instructions\n", name);
			continue;
		}
		check_begin("%s, %s", name, i ? "AES" : "ChaCha20");
		function(ciphers[i]);
		check_end();
	}
}

static void headers(void)
{
	static const struct {
		uint8_t bytes[TLS_HEADER_SIZE];
		int size;
	} rows[] = {
		{ { 23, 3, 3, 0, 16 }, -EBADMSG },
		{ { 23, 3, 3, 0, 17 }, 22 },
		{ { 23, 3, 3, 1, 2 }, 263 },
		{ { 23, 0xff, 0, 0x40, 0x11 }, RECORD_MAX }, /* the version means nothing: 5.1 */
		{ { 23, 3, 3, 0x40, 0x12 }, -EBADMSG },
		{ { 23, 3, 3, 0xff, 0xff }, -EBADMSG },
		{ { 20, 3, 3, 0, 1 }, -EBADMSG },
		{ { 21, 3, 3, 0, 19 }, -EBADMSG },
		{ { 22, 3, 3, 0, 100 }, -EBADMSG },
		{ { 24, 3, 3, 0, 100 }, -EBADMSG },
		{ { 0, 3, 3, 0, 100 }, -EBADMSG },
	};

	for (unsigned i = 0; i < LENGTH(rows); i++)
		for (size_t len = 0; len <= TLS_HEADER_SIZE; len++) {
			uint8_t *exact = block(rows[i].bytes, len);

			CHECK_INT(record_size(exact, len),
				  len < TLS_HEADER_SIZE ? 0 : rows[i].size);
			block_free(exact);
		}
}

static int seal_some(struct tls_cipher *cipher, size_t len)
{
	static uint8_t record[ROOM];

	return record_seal(cipher, TLS_APPLICATION_DATA, record, len);
}

/* No number is used twice, whatever was sealed before. */
static void last_number(void)
{
	struct tls_cipher cipher = some_cipher(&chacha20poly1305), in;
	uint8_t record[TLS_HEADER_SIZE + RECORD_TAIL_SIZE], type, *other;

	cipher.sequence = UINT64_MAX - 1;
	in = cipher;
	CHECK_INT(record_seal(&cipher, TLS_APPLICATION_DATA, record, 0), sizeof(record));
	CHECK_INT(record_open(&in, record, sizeof(record), &type), 0);
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(record_seal(&cipher, TLS_APPLICATION_DATA, record, 0), -EKEYEXPIRED);
	CHECK_INT(cipher.sequence, UINT64_MAX);
	other = make_record(&cipher, (const uint8_t[]){ TLS_APPLICATION_DATA }, 1);
	CHECK_INT(record_open(&in, other, sizeof(record), &type), -EBADMSG);
	block_free(other);
	/* a cipher that was wiped seals nothing */
	CHECK_INT(seal_some(&in, 0), -EKEYEXPIRED);
}

int main(void)
{
	RUN("sizes that headers state", headers);
	RUN("ChaCha20-Poly1305", chacha20);
	RUN("RFC 8448, AES as the tests have it", published_by_bits);
	if (aes_is_there())
		RUN("RFC 8448", published_by_instructions);
	for_each_cipher("every length", lengths);
	for_each_cipher("bits, cuts, other numbers", damage);
	for_each_cipher("types, padding, sizes", contents);
	RUN("the last number", last_number);
	if (aes_is_there())
		return check_status();
}

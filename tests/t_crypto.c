/* SPDX-License-Identifier: MIT */
/* The published vectors of what is below the handshake: SHA-256, HMAC, X25519, the two ciphers. */
#include "tests/aes_plain.h"
#include "tests/hex.h"

static void check_sha256(const char *text, size_t repeated, const char *want)
{
	struct sha256 hash;
	uint8_t digest[SHA256_SIZE];

	sha256_begin(&hash);
	while (repeated--)
		sha256_add(&hash, text, strlen(text));
	sha256_end(&hash, digest);
	CHECK_HEX(digest, want);
}

/* RFC 6234 8.5 */
static void sha256(void)
{
	check_sha256("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	check_sha256("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	check_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
		     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	check_sha256("a", 1000000,
		     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void check_hmac(const char *key, const char *text, const char *want)
{
	uint8_t bytes[200] = { 0 }, digest[SHA256_SIZE];
	size_t len = from_hex(bytes, sizeof(bytes), key);
	struct sha256 hash;

	if (len > SHA256_BLOCK) { /* RFC 2104: such a key is hashed first */
		sha256_begin(&hash);
		sha256_add(&hash, bytes, len);
		sha256_end(&hash, bytes);
	}
	hmac(digest, bytes, text, strlen(text));
	CHECK_HEX(digest, want);
}

/* RFC 4231 4.2, 4.3, 4.7 */
static void hmac_vectors(void)
{
	char long_key[2 * 131 + 1];

	check_hmac("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "Hi There",
		   "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	check_hmac("4a656665", "what do ya want for nothing?",
		   "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(long_key, 'a', 2 * 131);
	long_key[2 * 131] = '\0';
	check_hmac(long_key, "Test Using Larger Than Block-Size Key - Hash Key First",
		   "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	/* by Python's hmac */
	long_key[2 * 65] = '\0';
	check_hmac(long_key, "65", "f1dcce1a9dfaa2ca01b8bc0b275c171e747a26f5ab883d62755b0ffdf59297c2");
	long_key[2 * 32] = '\0';
	check_hmac(long_key, "32", "39874f8bff9f794bf30d3d2b15637505a69fd9553b60a5375b5f000bfde1c797");
}

static void check_x25519(const char *scalar, const char *point, const char *want)
{
	uint8_t k[X25519_SIZE], u[X25519_SIZE], out[X25519_SIZE];

	from_hex(k, sizeof(k), scalar);
	from_hex(u, sizeof(u), point);
	CHECK(x25519(out, k, u));
	CHECK_HEX(out, want);
}

/* RFC 7748 5.2 */
static void x25519_vectors(void)
{
	uint8_t k[X25519_SIZE] = { 9 }, u[X25519_SIZE] = { 9 }, out[X25519_SIZE];

	check_x25519("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
		     "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
		     "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
	check_x25519("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
		     "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
		     "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
	for (unsigned i = 1; i <= 1000; i++) {
		CHECK(x25519(out, k, u));
		memcpy(u, k, sizeof(u));
		memcpy(k, out, sizeof(k));
		if (i == 1)
			CHECK_HEX(k, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
	}
	CHECK_HEX(k, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

/*
 * Points, found by a search, for whose numbers one fold is not enough: what it adds reaches 2^256
 * again, after a sum and a product, a difference and three products, a product. By OpenSSL.
 */
static void x25519_folds(void)
{
	static const char scalar[] =
		"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4";

	check_x25519(scalar, "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		     "16a3c4a479dc135e51a38c7b3232caa0635fef9e7ad969d60a6e08b28b1bb61d");
	check_x25519(scalar, "f8ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		     "501f554c4a331471afe41e812878dd83c66b186b92c86eec989853225d812b40");
	check_x25519(scalar, "5231dcd9be7f1b1cf9dd2c79c22e519a92f9948de09c306433bbc64f748cfb47",
		     "e3d84b8d406edc038cab2436d848df55d541ea4c8f25906d456641f8f5c9fd50");
}

/* RFC 7748 6.1, and points of small order, which give zero */
static void x25519_keys(void)
{
	static const char *const small[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	static const uint8_t base[X25519_SIZE] = { 9 };
	uint8_t a[X25519_SIZE], b[X25519_SIZE], public[X25519_SIZE], out[X25519_SIZE];

	from_hex(a, sizeof(a), "77076d0a7318a57d3c16c17251b26645df4c2f32d7fd1f7a96a6b7b6c0d5d5d5");
	from_hex(b, sizeof(b), "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	CHECK(x25519(public, b, base));
	CHECK_HEX(public, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	CHECK(x25519(out, a, public));
	for (unsigned i = 0; i < LENGTH(small); i++) {
		from_hex(b, sizeof(b), small[i]);
		CHECK(!x25519(out, a, b));
	}
}

static void check_aead(const struct aead *aead, const char *key, const char *nonce, const char *ad,
		       const char *plain, const char *sealed)
{
	uint8_t k[AEAD_KEY_MAX], n[AEAD_NONCE_SIZE], a[64], in[256];
	size_t len, ad_len = from_hex(a, sizeof(a), ad);
	uint8_t *text;

	from_hex(k, sizeof(k), key);
	from_hex(n, sizeof(n), nonce);
	len = from_hex(in, sizeof(in), plain);
	text = block(in, len + AEAD_TAG_SIZE);
	aead_seal(aead, k, n, a, ad_len, text, len);
	CHECK_HEX(text, sealed);
	for (size_t bit = 0; bit < 8 * (len + AEAD_TAG_SIZE); bit++) {
		text[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(!aead_open(aead, k, n, a, ad_len, text, len));
		text[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(aead_open(aead, k, n, a, ad_len, text, len));
	CHECK_BYTES(text, in, len);
	if (ad_len) {
		aead_seal(aead, k, n, a, ad_len, text, len);
		a[0] ^= 1;
		CHECK(!aead_open(aead, k, n, a, ad_len, text, len));
	}
	block_free(text);
}

/* RFC 8439 2.8.2 */
static void chacha20poly1305_vector(void)
{
	check_aead(&chacha20poly1305,
		   "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
		   "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
		   "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
		   "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
		   "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
		   "637265656e20776f756c642062652069742e",
		   "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
		   "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
		   "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
		   "3ff4def08e4b7a9de576d26586cec64b6116"
		   "1ae10b594f09e26a7e902ecbd0600691");
}

/*
 * Additional data, computed for the key, with which the sum of Poly1305 ends at 2^130 - 6, which is
 * below its modulus, at 2^130 - 5, which is the modulus, and at 2^130 - 1: the cases of RFC 8439
 * A.3 that its keys do not have here. By OpenSSL.
 */
static void poly1305_ends(void)
{
	static const char key[] =
		"808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f";

	check_aead(&chacha20poly1305, key, "000000000000000000000000",
		   "f771460bd360c8c85c026155f0f527c1", "", "83eb57e2b2bf2d06ebabc0e58ab91e46");
	check_aead(&chacha20poly1305, key, "000000000000000000000001",
		   "22b7306c5a5e9367ee8efa6422dbf441", "", "190733acdc027e6e45a4e4de40454da1");
	check_aead(&chacha20poly1305, key, "000000000000000000000002",
		   "1fd87692d261e2164cf7f1e2e88baa3e", "", "684d628cc74195392943d766d1fb52ed");
}

/* McGrew and Viega, The Galois/Counter Mode of Operation, test cases 1, 2 and 4 */
static void check_aes(const struct aead *aes)
{
	check_aead(aes, "00000000000000000000000000000000", "000000000000000000000000", "",
		   "", "58e2fccefa7e3061367f1d57a4e7455a");
	check_aead(aes, "00000000000000000000000000000000", "000000000000000000000000", "",
		   "00000000000000000000000000000000",
		   "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf");
	check_aead(aes, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
		   "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		   "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		   "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		   "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
		   "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
		   "5bc94fbc3221a5db94fae95ae7121a47");
}

static void aes_by_bits(void)
{
	check_aes(&aes_plain);
}

static void aes_by_instructions(void)
{
	check_aes(&aes128gcm);
}

enum { SHORT = 209, LONGEST = 4113 };

static uint32_t seed;

/* xorshift32: the same bytes everywhere. */
static void fill(uint8_t *bytes, size_t len)
{
	while (len--) {
		seed ^= seed << 13;
		seed ^= seed >> 17;
		seed ^= seed << 5;
		bytes[len] = (uint8_t)(seed >> 16);
	}
}

/*
 * Every length up to several rounds of whatever is computed side by side, and one where the number
 * of the last block has two bytes. Compares with the other one, and returns the digest of all that
 * was sealed.
 */
static void every_length(const struct aead *aead, const struct aead *other, uint8_t *digest)
{
	static uint8_t text[LONGEST + AEAD_TAG_SIZE];
	uint8_t key[AEAD_KEY_MAX], nonce[AEAD_NONCE_SIZE], additional[40];
	struct sha256 hash;

	seed = 20261201;
	sha256_begin(&hash);
	for (size_t len = 0; len <= LONGEST; len += len == SHORT ? LONGEST - SHORT : 1) {
		size_t additional_len = len % sizeof(additional);
		uint8_t *ours, *theirs;

		fill(key, aead->key_size);
		fill(nonce, sizeof(nonce));
		fill(additional, additional_len);
		fill(text, len);
		ours = block(text, len + AEAD_TAG_SIZE);
		theirs = block(text, len + AEAD_TAG_SIZE);
		aead_seal(aead, key, nonce, additional, additional_len, ours, len);
		aead_seal(other, key, nonce, additional, additional_len, theirs, len);
		CHECK_BYTES(ours, theirs, len + AEAD_TAG_SIZE);
		sha256_add(&hash, ours, len + AEAD_TAG_SIZE);
		CHECK(aead_open(aead, key, nonce, additional, additional_len, theirs, len));
		CHECK_BYTES(theirs, text, len);
		block_free(ours);
		block_free(theirs);
	}
	sha256_end(&hash, digest);
}

static void aes_lengths(void)
{
	uint8_t digest[SHA256_SIZE];

	every_length(&aes128gcm, &aes_plain, digest);
}

/* The digest is by another implementation, in Python. */
static void chacha20poly1305_lengths(void)
{
	uint8_t digest[SHA256_SIZE];

	every_length(&chacha20poly1305, &chacha20poly1305, digest);
	CHECK_HEX(digest, "e88728c3dc699dc42b9841b17b774f33e270aa457cc5623b16bea54874ad99e3");
}

int main(void)
{
	RUN("SHA-256", sha256);
	RUN("HMAC", hmac_vectors);
	RUN("X25519", x25519_vectors);
	RUN("X25519: what is folded twice", x25519_folds);
	RUN("X25519: keys, and points of small order", x25519_keys);
	RUN("ChaCha20-Poly1305", chacha20poly1305_vector);
	RUN("Poly1305: sums about its modulus", poly1305_ends);
	RUN("ChaCha20-Poly1305: every length around its blocks", chacha20poly1305_lengths);
	RUN("AES-128-GCM as the tests have it", aes_by_bits);
	if (aes_is_there()) {
		RUN("AES-128-GCM", aes_by_instructions);
		RUN("AES-128-GCM: every length around its blocks", aes_lengths);
	} else {
		printf("# left out - AES-128-GCM: this processor has no instructions for it\n");
	}
	return check_status();
}

/* SPDX-License-Identifier: MIT */
/*
 * One end of a TLS connection, without the kernel's tls: for tests against other implementations.
 * tls_peer client|server PORT IDENTITY HEXKEY chacha|aes: then what comes on stdin is sent as one
 * record, and one record is received and printed. TLS_RANDOM, hexadecimal, is for a recording.
 */
#include "tests/hex.h"
#include "tls/handshake.h"

#include <arpa/inet.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t read_all(int fd, uint8_t *p, size_t len)
{
	size_t n = 0;

	for (ssize_t i; n < len && (i = read(fd, p + n, len - n)) > 0;)
		n += (size_t)i;
	return n;
}

static size_t read_record(int fd, uint8_t *record)
{
	size_t len;

	if (read_all(fd, record, TLS_HEADER_SIZE) != TLS_HEADER_SIZE)
		return 0;
	len = (size_t)record[3] << 8 | record[4];
	if (len > RECORD_MAX - TLS_HEADER_SIZE ||
	    read_all(fd, record + TLS_HEADER_SIZE, len) != len)
		return 0;
	return TLS_HEADER_SIZE + len;
}

static int connection(bool server, uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (!server) {
		must(!connect(fd, (struct sockaddr *)&sa, sizeof(sa)), "connect");
		return fd;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	must(!bind(fd, (struct sockaddr *)&sa, sizeof(sa)) && !listen(fd, 1), "listen");
	fprintf(stderr, "listening\n");
	return accept(fd, NULL, NULL);
}

static int shake(int fd, struct tls *tls, struct wire_out *out, uint8_t *reply)
{
	uint8_t record[RECORD_MAX];
	int result = 0;

	do {
		size_t len = (size_t)(out->p - reply);

		must(write(fd, reply, len) == (ssize_t)len, "write");
		if (result)
			return result;
		len = read_record(fd, record);
		if (!len)
			return -EPIPE;
		*out = (struct wire_out){ reply, TLS_REPLY_MAX, false };
		result = tls_take(tls, record, len, out);
	} while (true);
}

int main(int argc, char **argv)
{
	struct tls tls;
	static struct keys keys = { .count = 1 };
	struct psk *psk = keys.key;
	uint8_t random[TLS_RANDOM_SIZE], reply[TLS_REPLY_MAX], record[RECORD_MAX], type;
	char line[PSK_LINE_SIZE];
	struct wire_out out = { reply, sizeof(reply), false };
	bool server, aes;
	size_t len;
	int fd, result;

	must(argc == 6, "read the command line");
	server = !strcmp(argv[1], "server");
	aes = !strcmp(argv[5], "aes");
	snprintf(line, sizeof(line), "%s:%s", argv[3], argv[4]);
	must(!psk_parse(psk, line), "parse the key");
	must(getrandom(random, sizeof(random), 0) == sizeof(random), "get random");
	if (getenv("TLS_RANDOM"))
		from_hex(random, sizeof(random), getenv("TLS_RANDOM"));
	fd = connection(server, (uint16_t)atoi(argv[2]));
	if (server)
		tls_server(&tls, &keys, aes, random);
	else
		tls_client(&tls, psk, aes, random, &out);
	result = shake(fd, &tls, &out, reply);
	if (result != 1) {
		printf("failed: %d\n", result);
		return 1;
	}
	printf("%s\n", tls.aead == &aes128gcm ? "aes" : "chacha");
	len = read_all(0, record + TLS_HEADER_SIZE, RECORD_TEXT_MAX);
	result = record_seal(&tls.out, TLS_APPLICATION_DATA, record, len);
	must(write(fd, record, (size_t)result) == result, "write");
	do {
		len = read_record(fd, record);
		if (!len)
			return 1;
		result = record_open(&tls.in, record, len, &type);
		if (result < 0) {
			printf("forged\n");
			return 1;
		}
	} while (type != TLS_APPLICATION_DATA); /* tickets */
	printf("%.*s", result, (char *)record + TLS_HEADER_SIZE);
	return 0;
}

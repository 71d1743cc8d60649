/* SPDX-License-Identifier: MIT */
/*
 * In a test guest: a USB/IP server that passes everything between its clients and the real server,
 * which is at 127.0.0.1:3240, but for a lie in an answer to a URB.
 *
 *	liar serve PORT PLAN		PLAN is a file, made here
 *	liar tell PLAN BUSID LIE [N]	in the Nth answer of that device that the lie applies to
 *	liar random PLAN BUSID SEED N	some lie in one of N answers, until another one is told; few in
 *					those to control URBs
 *	liar honest PLAN BUSID
 *	liar microphone PLAN BUSID 1	from the next session on, its isochronous endpoint has the
 *					direction IN, and its data are made here; 0: not any more
 *	liar told PLAN BUSID		prints how many lies were told
 *	liar lies			prints their names
 */
#include "proto/urb.h"
#include "proto/wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SERVER = 3240,
	SLOTS = 32,
	BUSID = 32,
	REQUESTS = 1024, /* without an answer */
	DATA_MAX = 8 << 20,
	SPARED = 16, /* lies at random are so much rarer in answers to control URBs */
	REQ_IMPORT = 0x8003,
	REQ_IMPORT_SIZE = 40,
	REP_IMPORT_SIZE = 320,
};

/* Words of an answer: of its header, and behind it those of a packet. */
enum {
	CODE = 0,
	SEQNUM = 4,
	DEVID = 8,
	STATUS = 20,
	LENGTH = 24,
	PACKETS = 32,
	ERRORS = 36,
	PACKET = URB_SIZE,
	OFFSET = PACKET,
	PACKET_LENGTH = PACKET + 4,
	ACTUAL = PACKET + 8,
	PACKET_STATUS = PACKET + 12,
};

/* What a lie applies to: answers to URBs of these kinds, or to an unlink. */
enum { IN = 1, OUT = 2, ISO = 4, UNLINK = 8, PLAIN = IN | OUT, URB = PLAIN | ISO };

enum how {
	SET,	 /* the word becomes value */
	ADD,	 /* is that much more than the truth */
	ASKED,	 /* is that much more than the buffer that the client has */
	COUNT,	 /* is that much more than the number of packets */
	OLDER,	 /* the seqnum of the latest answer */
	TWICE,	 /* the answer is sent twice */
	CUT,	 /* a part of it is sent, and nothing ever after */
	GARBAGE, /* in place of it */
	UNASKED, /* an answer to an unlink that was never sent is sent first */
	LATE,	 /* behind the answer to an unlink is sent one to its URB */
	BASIC,	 /* devid, direction and endpoint are set */
	BYTES,	 /* each byte is sent by itself */
	TOGETHER, /* with the next one */
	STALL,	 /* half of the data, and then nothing */
	NEVER,	 /* it is not sent */
	RANDOM,
};

static const struct lie {
	const char *name;
	int to;
	enum how how;
	int word;
	uint32_t value;
} lies[] = {
	{ "honest", 0, SET, 0, 0 },
	{ "seqnum-unsent", URB, ADD, SEQNUM, 0x10000000 },
	{ "seqnum-older", URB, OLDER, SEQNUM, 0 },
	{ "answer-twice", URB, TWICE, 0, 0 },
	{ "code-unknown", URB, SET, CODE, 5 },
	{ "code-request", URB, SET, CODE, URB_CMD_SUBMIT },
	{ "code-unlink", URB, SET, CODE, URB_RET_UNLINK },
	{ "length-more", IN, ASKED, LENGTH, 1 },
	{ "length-more-out", OUT, ASKED, LENGTH, 1 },
	{ "length-max", IN, SET, LENGTH, 0x7fffffff },
	{ "length-2gib", IN, SET, LENGTH, 0x80000000 },
	{ "length-negative", URB, SET, LENGTH, 0xffffffff },
	{ "data-cut", IN, CUT, 0, 0 },
	{ "status-positive", URB, SET, STATUS, 1 },
	{ "status-min", URB, SET, STATUS, 0x80000000 },
	{ "status-4096", URB, SET, STATUS, -4096u },
	{ "packets-1", PLAIN, SET, PACKETS, 1 },
	{ "packets-1025", PLAIN, SET, PACKETS, 1025 },
	{ "packets-max", PLAIN, SET, PACKETS, 0x7fffffff },
	{ "iso-packets-0", ISO, SET, PACKETS, 0 },
	{ "iso-packets-more", ISO, COUNT, PACKETS, 1 },
	{ "iso-packets-1025", ISO, SET, PACKETS, 1025 },
	{ "iso-packets-max", ISO, SET, PACKETS, 0x7fffffff },
	{ "iso-packets-none", ISO, SET, PACKETS, 0xffffffff },
	{ "iso-errors", ISO, COUNT, ERRORS, 1 },
	{ "iso-length-more", ISO, ASKED, LENGTH, 1 },
	{ "iso-offset", ISO, ADD, OFFSET, 4 },
	{ "iso-offset-max", ISO, SET, OFFSET, 0xffffffff },
	{ "iso-packet-length", ISO, ADD, PACKET_LENGTH, 1 },
	{ "iso-actual", ISO, ADD, ACTUAL, 4096 },
	{ "iso-actual-max", ISO, SET, ACTUAL, 0xffffffff },
	{ "iso-status", ISO, SET, PACKET_STATUS, 1 },
	{ "iso-sum", ISO, ADD, ACTUAL, -1u },
	{ "unlink-unasked", URB, UNASKED, 0, 0 },
	{ "unlink-twice", UNLINK, TWICE, 0, 0 },
	{ "unlink-late-answer", UNLINK, LATE, 0, 0 },
	{ "unlink-status", UNLINK, SET, STATUS, 1 },
	{ "unlink-code", UNLINK, SET, CODE, URB_RET_SUBMIT },
	{ "garbage", URB | UNLINK, GARBAGE, 0, 0 },
	/* What some honest servers do, in every answer. */
	{ "odd-packets", PLAIN, SET, PACKETS, 0xffffffff },
	{ "odd-basic", URB | UNLINK, BASIC, 0, 0 },
	{ "odd-bytes", URB | UNLINK, BYTES, 0, 0 },
	{ "odd-together", ISO, TOGETHER, 0, 0 },
	/* Of which the kernel knows no end: none of those at random. */
	{ "data-stall", IN, STALL, 0, 0 },
	{ "unlink-never", UNLINK, NEVER, 0, 0 },
	{ "random", URB | UNLINK, RANDOM, 0, 0 },
};

enum { LIES = sizeof(lies) / sizeof(*lies) };

/* What a device's answers are to be, shared with those who tell it. */
struct slot {
	char busid[BUSID];
	_Atomic uint32_t lie, after; /* so many answers are honest first */
	_Atomic uint32_t told, rate, seed, microphone;
};

struct request {
	bool used, in, microphone, control;
	uint32_t code, seqnum, victim, length, packets;
};

struct answer {
	const struct request *request;
	size_t data_size, packets;
	uint8_t header[URB_SIZE];
	uint8_t packet[URB_PACKETS_MAX * URB_PACKET_SIZE];
	uint8_t data[DATA_MAX];
};

struct session {
	int client, server;
	struct slot *slot;
	bool microphone;
	uint64_t random;
	uint32_t latest; /* the seqnum of the latest answer */
	struct request request[REQUESTS];
	struct answer down, up; /* from the server, made here */
	pthread_mutex_t table, answering;
};

static struct slot *plan;

static void give_up(const char *why)
{
	perror(why);
	exit(1);
}

/* The connection has ended: so does the session. */
static void receive(int fd, void *bytes, size_t size)
{
	if (size && recv(fd, bytes, size, MSG_WAITALL) != (ssize_t)size)
		_exit(0);
}

static void send_all(int fd, const void *bytes, size_t size)
{
	if (size && send(fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
		_exit(0);
}

static uint32_t roll(struct session *session, uint32_t sides)
{
	session->random = session->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(session->random >> 33) % sides;
}

static struct request *find(struct session *session, uint32_t seqnum, bool used)
{
	for (struct request *i = session->request; i < session->request + REQUESTS; i++)
		if (i->used == used && (!used || i->seqnum == seqnum))
			return i;
	return NULL;
}

/* Answers */

static int kind_of(const struct request *request)
{
	if (request->code == URB_CMD_UNLINK)
		return UNLINK;
	return request->packets ? ISO : request->in ? IN : OUT;
}

static uint8_t *word_of(struct answer *answer, int word, uint32_t packet)
{
	return word < PACKET ? answer->header + word
			     : answer->packet + packet * URB_PACKET_SIZE + (word - PACKET);
}

static void send_part(struct session *session, const void *bytes, size_t size, bool split)
{
	const uint8_t *byte = bytes;

	for (; split && size; size--)
		send_all(session->client, byte++, 1);
	send_all(session->client, byte, size);
}

static void send_answer(struct session *session, const struct answer *answer, bool split)
{
	send_part(session, answer->header, URB_SIZE, split);
	send_part(session, answer->data, answer->data_size, split);
	send_part(session, answer->packet, answer->packets * URB_PACKET_SIZE, split);
}

static void send_header(struct session *session, uint32_t code, uint32_t seqnum, int32_t status)
{
	struct urb_reply reply = { .code = code, .seqnum = seqnum, .status = status };
	uint8_t header[URB_SIZE];

	urb_reply_encode(header, &reply);
	send_all(session->client, header, URB_SIZE);
}

static uint32_t random_value(struct session *session, uint32_t value)
{
	static const uint32_t special[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 1024, 1025,
					    -104u, -4095u, -4096u, 65536 };

	switch (roll(session, 4)) {
	case 0:
		return special[roll(session, sizeof(special) / sizeof(*special))];
	case 1:
		return value ^ 1u << roll(session, 32);
	case 2:
		return value + roll(session, 9) - 4;
	default:
		return roll(session, 1u << 31) << 1 | roll(session, 2);
	}
}

static const struct lie *random_lie(struct session *session, int kind)
{
	const struct lie *lie;

	do
		lie = &lies[1 + roll(session, LIES - 2)];
	while (!(lie->to & kind) || lie->how == STALL || lie->how == NEVER);
	return lie;
}

/* Half of them are those of the table, the others any value anywhere. */
static void random_answer(struct session *session, struct answer *answer, struct lie *lie)
{
	int words = PACKET + (answer->packets ? URB_PACKET_SIZE : 0);
	uint32_t packet = answer->packets ? roll(session, (uint32_t)answer->packets) : 0;
	uint32_t length;
	uint8_t *at;

	if (roll(session, 2)) {
		*lie = *random_lie(session, kind_of(answer->request));
		return;
	}
	lie->how = RANDOM;
	at = word_of(answer, (int)roll(session, (uint32_t)words / 4) * 4, packet);
	wire_store_be32(at, random_value(session, wire_load_be32(at)));
	/* what is said to come does come: nobody waits for it */
	length = wire_load_be32(answer->header + LENGTH);
	if (answer->data_size && length > answer->data_size && length <= answer->request->length)
		answer->data_size = length;
}

static void lie_about(struct session *session, struct answer *answer, const struct lie *lie)
{
	const struct request *request = answer->request;
	/* the sum of the lengths is wrong, too, if it is the first one that was not empty */
	uint32_t packet = (uint32_t)answer->packets / 2;
	uint8_t *at = word_of(answer, lie->word, packet);
	uint32_t value = lie->value;

	switch (lie->how) {
	case ADD:
		value += wire_load_be32(at);
		break;
	case ASKED:
		value += request->length;
		break;
	case COUNT:
		value += request->packets;
		break;
	case OLDER:
		value = session->latest;
		break;
	case GARBAGE:
		memset(answer->header, 0xa5, URB_SIZE);
		return;
	case UNASKED:
		send_header(session, URB_RET_UNLINK, 0x7ffffff0, 0);
		return;
	case BASIC:
		wire_store_be32(answer->header + DEVID, 0x00020003);
		wire_store_be32(answer->header + DEVID + 4, request->in);
		wire_store_be32(answer->header + DEVID + 8, 15);
		return;
	case SET:
		break;
	default:
		return;
	}
	wire_store_be32(at, value);
}

/* The lie that this answer is to have: the first one of the table if none. */
static struct lie choose_lie(struct session *session, const struct answer *answer)
{
	struct slot *slot = session->slot;
	uint32_t number = atomic_load(&slot->lie);
	const struct lie *lie = &lies[number < LIES ? number : 0];

	if (!(lie->to & kind_of(answer->request)))
		return lies[0];
	if (lie->how == RANDOM) {
		/* a device that is never enumerated is not there for anything else */
		if (roll(session, atomic_load(&slot->rate) * (answer->request->control ? SPARED : 1)))
			return lies[0];
	} else if (strncmp(lie->name, "odd-", 4)) {
		if (atomic_load(&slot->after) > 1) {
			atomic_fetch_sub(&slot->after, 1);
			return lies[0];
		}
		if (lie->how == OLDER && !session->latest)
			return lies[0];
		atomic_store(&slot->lie, 0);
	}
	atomic_fetch_add(&slot->told, 1);
	return *lie;
}

static void answer_client(struct session *session, struct answer *answer)
{
	const struct request *request = answer->request;
	struct lie lie;
	int cork;

	pthread_mutex_lock(&session->answering);
	lie = choose_lie(session, answer);
	if (lie.how == RANDOM)
		random_answer(session, answer, &lie);
	if (lie.to)
		lie_about(session, answer, &lie);
	if (lie.how == CUT || lie.how == STALL) {
		send_all(session->client, answer->header, URB_SIZE);
		send_all(session->client, answer->data, answer->data_size / 2);
		while (lie.how == STALL)
			pause(); /* until the client ends the session */
		_exit(0);
	}
	if (lie.how == NEVER) {
		pthread_mutex_unlock(&session->answering);
		return;
	}
	/* the kernel sends what it has after 0.2 s */
	cork = lie.how == TOGETHER && request->seqnum % 4;
	setsockopt(session->client, IPPROTO_TCP, TCP_CORK, &cork, sizeof(cork));
	send_answer(session, answer, lie.how == BYTES);
	if (lie.how == TWICE)
		send_answer(session, answer, false);
	if (lie.how == LATE)
		send_header(session, URB_RET_SUBMIT, request->victim, -104);
	session->latest = request->seqnum;
	pthread_mutex_unlock(&session->answering);
}

/* From the server */

/* A sound card's descriptors, as a microphone's. */
static void turn_endpoint(uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 4 <= size && data[i]; i += data[i])
		if (data[i + 1] == 5 && data[i + 3] % 4 == 1)
			data[i + 2] |= 0x80;
}

static void receive_answer(struct session *session, struct answer *answer)
{
	struct request *request;
	struct urb_reply reply;
	struct request copy;

	receive(session->server, answer->header, URB_SIZE);
	if (urb_reply_decode(answer->header, &reply))
		give_up("liar: the server's answer");
	pthread_mutex_lock(&session->table);
	request = find(session, reply.seqnum, true);
	if (!request)
		give_up("liar: the server's seqnum");
	copy = *request;
	request->used = false;
	/* what was unlinked is not answered any more, or was before */
	if (copy.code == URB_CMD_UNLINK && reply.status && (request = find(session, copy.victim, true)))
		request->used = false;
	pthread_mutex_unlock(&session->table);
	answer->request = &copy;
	answer->data_size = copy.in && reply.code == URB_RET_SUBMIT ? reply.length : 0;
	answer->packets = reply.code == URB_RET_SUBMIT ? copy.packets : 0;
	if (answer->data_size > DATA_MAX)
		give_up("liar: the server's data");
	receive(session->server, answer->data, answer->data_size);
	receive(session->server, answer->packet, answer->packets * URB_PACKET_SIZE);
	if (session->microphone && answer->data_size > 9 && answer->data[1] == 2)
		turn_endpoint(answer->data, answer->data_size);
	answer_client(session, answer);
}

static void *pass_answers(void *argument)
{
	struct session *session = argument;

	for (;;)
		receive_answer(session, &session->down);
	return NULL;
}

/* From the client */

/* An isochronous URB of the microphone: its packets are here, in answer. Each has some bytes less
 * than there is room for, and every byte tells of its place in the whole. */
static void record_sound(struct session *session, struct answer *answer)
{
	const struct request *request = answer->request;
	struct urb_reply reply = { .code = URB_RET_SUBMIT, .seqnum = request->seqnum,
				   .packets = request->packets };
	struct urb_packet packet;

	answer->packets = request->packets;
	for (uint32_t i = 0; i < request->packets; i++) {
		urb_packet_decode(answer->packet + i * URB_PACKET_SIZE, &packet);
		packet.actual = packet.length - packet.length % (i + 2);
		packet.status = 0;
		for (uint32_t k = 0; k < packet.actual; k++)
			answer->data[reply.length + k] = (uint8_t)(packet.offset + k);
		reply.length += packet.actual;
		urb_packet_encode(answer->packet + i * URB_PACKET_SIZE, &packet);
	}
	answer->data_size = reply.length;
	urb_reply_encode(answer->header, &reply);
	answer_client(session, answer);
}

static void pass_request(struct session *session, struct answer *message)
{
	struct urb_command command;
	struct request *request, made;
	bool submit;

	receive(session->client, message->header, URB_SIZE);
	if (urb_command_decode(message->header, &command))
		give_up("liar: the client's request");
	submit = command.code == URB_CMD_SUBMIT;
	if (!submit || command.packets > URB_PACKETS_MAX)
		command.packets = 0;
	made = (struct request){ .used = true, .in = command.in, .code = command.code,
				 .control = submit && !command.endpoint,
				 .microphone = session->microphone && command.packets,
				 .seqnum = command.seqnum, .victim = command.victim,
				 .length = command.length, .packets = command.packets };
	message->data_size = submit && !command.in ? command.length : 0;
	message->packets = command.packets;
	if (command.length > DATA_MAX)
		give_up("liar: the client's data");
	receive(session->client, message->data, message->data_size);
	receive(session->client, message->packet, message->packets * URB_PACKET_SIZE);
	if (made.microphone) {
		message->request = &made;
		record_sound(session, message);
		return;
	}
	pthread_mutex_lock(&session->table);
	request = find(session, 0, false);
	if (!request)
		give_up("liar: too many requests");
	*request = made;
	pthread_mutex_unlock(&session->table);
	send_all(session->server, message->header, URB_SIZE);
	send_all(session->server, message->data, message->data_size);
	send_all(session->server, message->packet, message->packets * URB_PACKET_SIZE);
}

/* Connections */

static struct slot *find_slot(const char *busid)
{
	struct slot *slot = plan;

	while (slot < plan + SLOTS - 1 && *slot->busid && strncmp(slot->busid, busid, BUSID) != 0)
		slot++;
	return slot;
}

/* The slot may be made while the session runs. */
static struct slot *make_slot(const char *busid)
{
	struct slot *slot = find_slot(busid);

	if (!*slot->busid)
		snprintf(slot->busid, BUSID, "%s", busid);
	return slot;
}

static void pass_session(struct session *session)
{
	pthread_t thread;

	session->microphone = atomic_load(&session->slot->microphone);
	session->random = (uint64_t)atomic_fetch_add(&session->slot->seed, 1) << 20 | 1;
	roll(session, 2);
	pthread_mutex_init(&session->table, NULL);
	pthread_mutex_init(&session->answering, NULL);
	if (pthread_create(&thread, NULL, pass_answers, session))
		give_up("liar: thread");
	for (;;)
		pass_request(session, &session->up);
}

/* All that is no session: until an end closes it. */
static void *pass_bytes(void *argument)
{
	const int *fds = argument;
	char bytes[4096];
	ssize_t n;

	while ((n = read(fds[0], bytes, sizeof(bytes))) > 0)
		send_all(fds[1], bytes, (size_t)n);
	_exit(0);
}

static void serve_client(int client)
{
	static struct session session;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(SERVER),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int server = socket(AF_INET, SOCK_STREAM, 0), up[] = { client, server };
	int down[] = { server, client }, one = 1;
	uint8_t bytes[REP_IMPORT_SIZE];
	pthread_t thread;

	if (connect(server, (struct sockaddr *)&address, sizeof(address)))
		_exit(1);
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	receive(client, bytes, 8);
	send_all(server, bytes, 8);
	if ((bytes[2] << 8 | bytes[3]) == REQ_IMPORT) {
		receive(client, bytes + 8, REQ_IMPORT_SIZE - 8);
		send_all(server, bytes + 8, REQ_IMPORT_SIZE - 8);
		session.slot = make_slot((char *)bytes + 8);
		receive(server, bytes, 8);
		send_all(client, bytes, 8);
		if (wire_load_be32(bytes + 4))
			_exit(0);
		receive(server, bytes + 8, REP_IMPORT_SIZE - 8);
		send_all(client, bytes + 8, REP_IMPORT_SIZE - 8);
		session.client = client;
		session.server = server;
		pass_session(&session);
	}
	if (pthread_create(&thread, NULL, pass_bytes, down))
		give_up("liar: thread");
	pass_bytes(up);
}

static void serve(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, client;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 64))
		give_up("liar: listen");
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		client = accept(listener, NULL, NULL);
		if (client >= 0 && !fork()) {
			close(listener);
			serve_client(client);
		}
		close(client);
	}
}

static void open_plan(const char *path, bool anew)
{
	int fd = open(path, O_RDWR | (anew ? O_CREAT | O_TRUNC : 0), 0600);

	if (fd < 0 || ftruncate(fd, SLOTS * sizeof(*plan)))
		give_up(path);
	plan = mmap(NULL, SLOTS * sizeof(*plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (plan == MAP_FAILED)
		give_up(path);
}

static uint32_t number_of(const char *name)
{
	for (uint32_t i = 0; i < LIES; i++)
		if (!strcmp(lies[i].name, name))
			return i;
	fprintf(stderr, "liar: no lie is named %s\n", name);
	exit(2);
}

static void tell(struct slot *slot, const char *lie, uint32_t after)
{
	atomic_store(&slot->lie, 0);
	atomic_store(&slot->told, 0);
	atomic_store(&slot->after, after);
	atomic_store(&slot->lie, number_of(lie));
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	uint32_t last = (uint32_t)strtoul(argv[argc - 1], NULL, 10);
	struct slot *slot;

	if (argc == 2 && !strcmp(verb, "lies")) {
		for (int i = 0; i < LIES; i++)
			puts(lies[i].name);
		return 0;
	}
	if (argc < 4)
		return 2;
	open_plan(argv[!strcmp(verb, "serve") ? 3 : 2], !strcmp(verb, "serve"));
	if (!strcmp(verb, "serve"))
		serve(atoi(argv[2]));
	slot = make_slot(argv[3]);
	if (!strcmp(verb, "tell") && argc > 4)
		tell(slot, argv[4], argc > 5 ? last : 1);
	else if (!strcmp(verb, "random") && argc == 6) {
		atomic_store(&slot->seed, (uint32_t)strtoul(argv[4], NULL, 10));
		atomic_store(&slot->rate, last);
		tell(slot, "random", 0);
	} else if (!strcmp(verb, "honest"))
		tell(slot, "honest", 0);
	else if (!strcmp(verb, "microphone") && argc == 5)
		atomic_store(&slot->microphone, last);
	else if (!strcmp(verb, "told"))
		printf("%u\n", atomic_load(&slot->told));
	else
		return 2;
	return 0;
}

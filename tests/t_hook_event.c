/* SPDX-License-Identifier: MIT */
/* Tests of loop/hook_runner: facts as variables, and which bytes are an event. */
#include "tests/hook_event.h"

static void makes(const struct hook_facts *facts, const char *want)
{
	struct hook_event event;
	char text[HOOK_EVENT_SIZE];
	size_t len;

	memset(&event, 0xee, sizeof(event));
	len = event_make(event.text, facts);
	CHECK(hook_runner_parse(&event, len));
	memcpy(text, event.text, len);
	CHECK_STR(strchr(event.variable[0], '=') + 1, facts->event);
	for (size_t i = 0; i + 1 < len; i++)
		text[i] = text[i] ? text[i] : '\n';
	CHECK_STR(text, want);
}

static void made(void)
{
	const struct hook_facts server = { "bound", "1-1.4", 0x0951, 0x1, NULL, NULL, -1, NULL,
					   NULL };
	const struct hook_facts client = { "attached", "3-2", 0x10c4, 0xea60,
					   "[fe80::1%eth0]:3240", "fe80::1%eth0", 0, "7-1", NULL };
	const struct hook_facts failed = { "failed", NULL, 1, 2, "pi.lan:3240", "pi.lan", -1, NULL,
					   "a reason" };
	const struct hook_facts hostile = { "failed", "1-2\nLD_PRELOAD=x", 1, 2, "h\x1b[31m",
					    "h\x7f", 119, "\xff", "'\"`;\r\t\x01 \xc3\xa4" };

	makes(&server, "USBIPHP_EVENT=bound\nUSBIPHP_BUSID=1-1.4\nUSBIPHP_ID=0951:0001\n"
		       "USBIPHP_NAME=0951:0001@1-1.4");
	makes(&client, "USBIPHP_EVENT=attached\nUSBIPHP_BUSID=3-2\nUSBIPHP_ID=10c4:ea60\n"
		       "USBIPHP_NAME=10c4:ea60@fe80::1%eth0/3-2\nUSBIPHP_PORT=0\n"
		       "USBIPHP_DEVICE=7-1\nUSBIPHP_SERVER=[fe80::1%eth0]:3240");
	makes(&failed, "USBIPHP_EVENT=failed\nUSBIPHP_SERVER=pi.lan:3240\n"
		       "USBIPHP_REASON=a reason");
	makes(&hostile, "USBIPHP_EVENT=failed\nUSBIPHP_BUSID=1-2?LD_PRELOAD=x\n"
			"USBIPHP_ID=0001:0002\nUSBIPHP_NAME=0001:0002@h?/1-2?LD_PRELOAD=x\n"
			"USBIPHP_PORT=119\nUSBIPHP_DEVICE=?\nUSBIPHP_SERVER=h?[31m\n"
			"USBIPHP_REASON='\"`;??? ??");
}

/* Whatever is too long, the event is whole. */
static void cut_off(void)
{
	char huge[3000];

	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	for (size_t len = 850; len < sizeof(huge); len++) { /* wherever the end comes */
		const struct hook_facts facts = { "failed", "1-2", 1, 2, huge, NULL, -1, NULL,
						  "why" };
		const struct hook_facts all = { "failed", huge, 1, 2, huge, huge, 1, huge, huge };
		struct hook_event event;
		size_t size;

		huge[len] = '\0';
		size = event_make(event.text, &facts);
		CHECK(size > len || len > 900);
		CHECK(!event.text[size - 1]);
		CHECK(hook_runner_parse(&event, size));
		CHECK(hook_runner_parse(&event, event_make(event.text, &all)));
		CHECK(!strncmp(event.variable[1], "USBIPHP_BUSID=xxx", 17));
		huge[len] = 'x';
	}
}

static void variables(void)
{
	const struct hook_facts facts = { .event = "bound", .busid = "1-2", .port = -1 };
	struct hook_event event;

	CHECK(hook_runner_parse(&event, event_make(event.text, &facts)));
	CHECK_STR(event.variable[0], "USBIPHP_EVENT=bound");
	CHECK_STR(event.variable[1], "USBIPHP_BUSID=1-2");
	CHECK_STR(event.variable[3], "USBIPHP_NAME=0000:0000@1-2");
	CHECK(!event.variable[4]);
}

/* In a block of its own, so that nothing is read behind it. */
static bool is_valid(const char *text, size_t len)
{
	struct hook_event *event = malloc(sizeof(*event));
	bool valid;

	must(event, "make an event");
	memset(event, 'x', sizeof(*event));
	memcpy(event->text, text, len);
	valid = hook_runner_parse(event, len);
	free(event);
	return valid;
}

#define VALID(text) is_valid((text), sizeof(text))

/* Nobody but a daemon with a hole in it sends such a thing. */
static void malformed(void)
{
	static const char name[] = "USBIPHP_EVENT=bound";
	char *full = malloc(HOOK_EVENT_SIZE);

	must(full, "make a text");
	CHECK(VALID(name));
	CHECK(VALID("USBIPHP_EVENT="));
	CHECK(VALID("USBIPHP_EVENT=bound\0USBIPHP_BUSID=1-2"));
	CHECK(VALID("USBIPHP_EVENT=bound\0USBIPHP_PORT=1\0USBIPHP_REASON="));
	CHECK(VALID("USBIPHP_EVENT=\0USBIPHP_BUSID=\0USBIPHP_ID=\0USBIPHP_NAME=\0USBIPHP_PORT=\0"
		    "USBIPHP_DEVICE=\0USBIPHP_SERVER=\0USBIPHP_REASON="));
	CHECK(!VALID("USBIPHP_EVENT=\0USBIPHP_BUSID=\0USBIPHP_ID=\0USBIPHP_NAME=\0USBIPHP_PORT=\0"
		     "USBIPHP_DEVICE=\0USBIPHP_SERVER=\0USBIPHP_REASON=\0USBIPHP_REASON="));
	CHECK(!is_valid(name, 0));
	CHECK(!VALID(""));
	CHECK(!VALID("USBIPHP_EVENT"));
	CHECK(!VALID("USBIPHP_BUSID=1-2\0USBIPHP_EVENT=bound"));
	CHECK(!VALID("USBIPHP_BUSID=1-2"));
	CHECK(!VALID("XUSBIPHP_EVENT=bound"));
	CHECK(!VALID("USBIPHP_EVENT=bound\0LD_PRELOAD=x"));
	CHECK(!VALID("USBIPHP_EVENT=bound\0PATH=/tmp\0USBIPHP_BUSID=1-2"));
	/* a variable of the process's own, one that is none, one twice, the order */
	CHECK(!VALID("USBIPHP_EVENT=bound\0USBIPHP_HOOK=/tmp/evil/hook"));
	CHECK(!VALID("USBIPHP_EVENT=bound\0USBIPHP_X=1"));
	CHECK(!VALID("USBIPHP_EVENT=bound\0USBIPHP_BUSIDX=1"));
	CHECK(!VALID("USBIPHP_EVENT=bound\0USBIPHP_BUSI=1"));
	CHECK(!VALID("USBIPHP_EVENT=bound\0USBIPHP_=1"));
	CHECK(!VALID("USBIPHP_EVENT=bound\0USBIPHP_EVENT=released"));
	CHECK(!VALID("USBIPHP_EVENT=bound\0USBIPHP_BUSID=1-2\0USBIPHP_BUSID=1-3"));
	CHECK(!VALID("USBIPHP_EVENT=bound\0USBIPHP_PORT=1\0USBIPHP_BUSID=1-2"));
	CHECK(!VALID("USBIPHP_EVENT=bound\0"));
	CHECK(!VALID("USBIPHP_EVENT=bound\0USBIPHP"));
	for (size_t len = 0; len < sizeof(name); len++)
		CHECK(!is_valid(name, len));
	memset(full, 'x', HOOK_EVENT_SIZE);
	memcpy(full, name, sizeof(name) - 1);
	CHECK(!is_valid(full, HOOK_EVENT_SIZE)); /* no end */
	full[HOOK_EVENT_SIZE - 1] = '\0';
	CHECK(is_valid(full, HOOK_EVENT_SIZE));
	free(full);
}

/* Bytes that a terminal or a shell would take for more, from a daemon with a hole in it. */
static void unprintable(void)
{
	static const char text[] = "USBIPHP_EVENT=a\nb\0USBIPHP_REASON=\x1b[31m\x7f\xff\rc";
	struct hook_event event;

	memcpy(event.text, text, sizeof(text));
	CHECK(hook_runner_parse(&event, sizeof(text)));
	CHECK_STR(event.variable[0], "USBIPHP_EVENT=a?b");
	CHECK_STR(event.variable[1], "USBIPHP_REASON=?[31m???c");
	CHECK(!event.variable[2]);
}

/* What they are, in other words: strings, each one of ours, the event's first, none behind a later
 * one. */
static bool is_good(const char *text, size_t len)
{
	static const char order[] = "|EVENT|BUSID|ID|NAME|PORT|DEVICE|SERVER|REASON|";
	const char *p = text, *end = text + len, *at = order, *found;
	char name[80];

	while (p < end) {
		const char *zero = memchr(p, 0, (size_t)(end - p)), *equal = strchr(p, '=');

		if (!zero || strstr(p, "USBIPHP_") != p || !equal || equal - p > 60)
			return false;
		snprintf(name, sizeof(name), "|%.*s|", (int)(equal - p - 8), p + 8);
		found = strstr(at, name);
		if (!found || strchr(name + 1, '|') != name + strlen(name) - 1 ||
		    (at == order && found != order))
			return false;
		at = found + strlen(name) - 1;
		p = zero + 1;
	}
	return at != order;
}

/* Every change of a byte, and some thousand of more, each at random, the same in every run. */
static void mangled(void)
{
	static const char good[] = "USBIPHP_EVENT=failed\0USBIPHP_BUSID=1-2\0USBIPHP_ID=\0"
				   "USBIPHP_NAME=\0USBIPHP_PORT=\0USBIPHP_DEVICE=\0"
				   "USBIPHP_SERVER=\0USBIPHP_REASON=y";
	static const char byte[] = { 0, 'U', '_', '=', '\n', '\xff' };
	char text[2 * sizeof(good)];
	uint32_t seed = 1;
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(good); i++) {
		for (size_t j = 0; j < sizeof(byte); j++) {
			memcpy(text, good, sizeof(good));
			text[i] = byte[j];
			CHECK_INT(is_valid(text, sizeof(good)), is_good(text, sizeof(good)));
		}
	}
	for (unsigned round = 0; round < 3000; round++) {
		size_t len = sizeof(good), from, to, size;

		memcpy(text, good, len);
		memcpy(text + len, good, len);
		for (unsigned i = 0; i < 1 + round % 3; i++) {
			seed = seed * 1664525 + 1013904223;
			from = (seed >> 8) % sizeof(good);
			to = (seed >> 16) % sizeof(good);
			size = (seed >> 24) % 24;
			memmove(text + to, text + from, size);
		}
		len = (seed >> 12) % (sizeof(text) + 1);
		if (round % 2)
			while (len && text[len - 1])
				len--;
		n += is_good(text, len);
		CHECK_INT(is_valid(text, len), is_good(text, len));
	}
	CHECK(n > 100 && n < 2900);
}

int main(void)
{
	RUN("t_hook_event: facts become variables", made);
	RUN("t_hook_event: what is too long is cut off", cut_off);
	RUN("t_hook_event: the list of variables", variables);
	RUN("t_hook_event: events that are none", malformed);
	RUN("t_hook_event: bytes that are not printable", unprintable);
	RUN("t_hook_event: mangled events", mangled);
	return check_status();
}

/* SPDX-License-Identifier: MIT */
/* Keyboards, pointers and displays of somebody who is, or can log in, at the console. */
#include "sysfs/protect.h"

#include <string.h>

static bool begins_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

static bool input_has_handler(char *handlers)
{
	const char *word;

	while ((word = str_word(&handlers))) /* "kbd" alone: anything with a button has it */
		if (!strcmp(word, "sysrq") || !strcmp(word, "leds") || begins_with(word, "mouse"))
			return true;
	return false;
}

/* The lowest 32 bits of "B: KEY=10000 7 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe". */
static uint32_t input_read_bits(const char *line)
{
	const char *end = line + strlen(line), *word = end;
	uint32_t bits = 0;

	while (word[-1] != ' ' && word[-1] != '=' && end - word < 8)
		word--;
	str_hex(word, UINT32_MAX, &bits);
	return bits;
}

/* Whether a person types or points with it. The bits: include/uapi/linux/input-event-codes.h. Not
 * every kernel has the handlers. */
static bool input_is_for_people(char *line)
{
	static const uint32_t props = 0x3f; /* INPUT_PROP_POINTER to INPUT_PROP_POINTING_STICK */
	static const uint32_t axes = 3;	    /* REL_X, REL_Y */
	static const uint32_t keys = ~1U;   /* KEY_ESC to KEY_S */

	if (begins_with(line, "H: Handlers="))
		return input_has_handler(line + strlen("H: Handlers="));
	return (begins_with(line, "B: PROP=") && (input_read_bits(line) & props)) ||
	       (begins_with(line, "B: REL=") && (input_read_bits(line) & axes) == axes) ||
	       (begins_with(line, "B: KEY=") && (input_read_bits(line) & keys) == keys);
}

struct input_visit {
	struct protect *protect;
	struct protect_item *item; /* the input device leads through it; NULL: none */
	bool bluetooth;		   /* it is a Bluetooth one, which bluetoothd has made by uhid */
};

/* Of each input device: "I: Bus=", "S: Sysfs=", "H: Handlers=", then its bits:
 * drivers/input/input.c, input_devices_seq_show(). */
static bool input_visit_line(void *ctx, char *line)
{
	struct input_visit *input = ctx;

	if (begins_with(line, "I: ")) {
		input->bluetooth = begins_with(line, "I: Bus=0005 ");
	} else if (begins_with(line, "S: ")) {
		input->item = protect_find(input->protect, line);
		if (!strstr(line, "/devices/virtual/misc/uhid/"))
			input->bluetooth = false;
	} else if (input_is_for_people(line)) {
		EACH_PROTECT_ITEM(input->protect, item) {
			struct protect_traits *traits = protect_traits(input->protect, item);

			if (item == input->item || (input->bluetooth && traits->bluetooth))
				traits->input = true;
		}
	}
	return false;
}

struct class_visit {
	struct protect *protect;
	const char *class; /* below class/ */
};

static bool class_visit_entry(void *ctx, const char *name)
{
	const struct class_visit *visit = ctx;
	struct protect *protect = visit->protect;
	struct sysfs_path link = sysfs_path("class/%s/%s", visit->class, name);
	struct protect_item *item = protect_find_link(protect, link.text, NULL);

	if (item && !strcmp(visit->class, "bluetooth"))
		protect_traits(protect, item)->bluetooth = true;
	else if (item)
		protect_traits(protect, item)->display = true;
	return false;
}

/* Sets the traits of the devices that have an entry in the class. */
static void class_read(struct protect *protect, const char *class)
{
	struct class_visit visit = { protect, class };

	protect_each_entry(protect, sysfs_path("class/%s", class).text, class_visit_entry, &visit);
}

/* The name of a connector is "card0-HDMI-A-1"; its status is "connected", "disconnected" or
 * "unknown", as of one that only writes back to memory: drivers/gpu/drm/drm_connector.c. */
static bool screen_visit_connector(void *ctx, const char *name)
{
	struct sysfs_path path = sysfs_path("class/drm/%s/status", name);
	struct protect *protect = ctx;
	char status[16];

	if (!strchr(name, '-'))
		return false;
	protect_failed(protect, "sys", path.text,
		       sysfs_read(protect->sysfs, status, sizeof(status), path.text));
	return !strcmp(status, "connected");
}

/* Without a driver that has connectors, a framebuffer means that the firmware found a display. */
static bool screen_visit_framebuffer(void *ctx, const char *name)
{
	(void)ctx;
	return begins_with(name, "fb") && strcmp(name, "fbcon") != 0;
}

static bool is_for_people(struct protect *protect, const struct protect_item *item)
{
	const struct protect_traits *traits = protect_traits(protect, item);

	return traits->input || traits->display;
}

static bool has_question(struct protect *protect)
{
	EACH_PROTECT_ITEM(protect, item)
		if (item->answer != PROTECT_NEEDED && is_for_people(protect, item))
			return true;
	return false;
}

static void need_for(struct protect *protect, const char *login)
{
	EACH_PROTECT_ITEM(protect, item) {
		if (!is_for_people(protect, item))
			continue;
		if (login)
			protect_need(item, "%s", login);
		else if (protect->unknown.text[0])
			protect_doubt(item, "%s", protect->unknown.text);
		else if (protect->screen && item->stage == PROTECT_AT_START)
			protect_later(item, "a login screen may come");
	}
}

void protect_people(struct protect *protect)
{
	struct input_visit input = { .protect = protect };
	struct reason unknown;

	class_read(protect, "bluetooth");
	protect_each_line(protect, "bus/input/devices", input_visit_line, &input);
	class_read(protect, "drm");
	class_read(protect, "graphics");
	if (!has_question(protect))
		return;
	/* a failure to find out about people concerns no other devices */
	unknown = protect->unknown;
	protect->unknown.text[0] = '\0';
	protect->screen =
		protect_each_entry(protect, "class/drm", screen_visit_connector, protect) ||
		protect_each_entry(protect, "class/graphics", screen_visit_framebuffer, protect);
	need_for(protect, protect_find_login(protect));
	protect->unknown = unknown;
}

/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces that this host uses. Nothing here waits for the RTNL, which a driver may hold
 * for seconds: the attributes flags and operstate do not take it, that of newer ones
 * (net/core/net-sysfs.c).
 *
 * class/net shows the network namespace in which the sysfs was mounted, /proc/net that of the
 * reader. They differ if somebody has started the daemon in another one: a route counts only if
 * class/net has its interface.
 */
#include "sysfs/protect.h"

#include "lib/util.h"
#include "sysfs/device.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <string.h>

enum { V6_DIGITS = 32 }; /* of an address in /proc/net/ipv6_route */

struct net_search {
	struct protect *protect;
	bool has_link;	/* any network card has one, also a device of the survey */
	bool has_route; /* there is a default route */
};

static bool net_is_up(struct protect *protect, const char *name)
{
	struct sysfs_path path = sysfs_path("class/net/%s/flags", name);
	uint32_t flags = 0;
	char text[16];
	ssize_t n = sysfs_read(protect->sysfs, text, sizeof(text), path.text);

	if (n == -EINVAL) /* it is being unregistered: netdev_show() */
		return false;
	if (n >= 0) /* "0x1003", "0" */
		n = str_hex(strncmp(text, "0x", 2) ? text : text + 2, UINT32_MAX, &flags);
	protect_failed(protect, "sys", path.text, n);
	return flags & IFF_UP;
}

static bool net_is_ppp(struct protect *protect, const char *name)
{
	struct sysfs_path path = sysfs_path("class/net/%s/type", name);
	int type = sysfs_read_number(protect->sysfs, false, UINT16_MAX, path.text);

	if (type != -EINVAL) /* as in net_is_up() */
		protect_failed(protect, "sys", path.text, type);
	return type == ARPHRD_PPP;
}

static bool net_is_card(const char *place)
{
	return place[0] && !strstr(place, "/virtual/");
}

/* "unknown" is the state of an interface that is up and has no notion of a link. That of a tunnel
 * tells nothing. place: of the interface in sysfs. */
static bool net_has_link(struct protect *protect, const char *name, const char *place)
{
	struct sysfs_path path = sysfs_path("class/net/%s/operstate", name);
	char state[16];
	ssize_t n = sysfs_read(protect->sysfs, state, sizeof(state), path.text);

	protect_failed(protect, "sys", path.text, n);
	if (n < 0 || strcmp(state, "unknown") != 0)
		return n >= 0 && !strcmp(state, "up");
	return net_is_card(place) || net_is_ppp(protect, name);
}

struct net_card {
	struct protect_item *item;
	const char *name;
};

/* Of the entries of a network interface, "upper_br0" leads to the bridge, bond or VLAN above it. */
static bool net_visit_entry(void *ctx, const char *entry)
{
	static const char upper[] = "upper_";
	const struct net_card *card = ctx;

	if (strncmp(entry, upper, sizeof(upper) - 1) != 0)
		return false;
	protect_need(card->item, "its network interface %s is a part of %s", card->name,
		     entry + sizeof(upper) - 1);
	card->item->lasting = true;
	return true;
}

/* Somebody has brought the interface up, so it is in use, though it may have no address: as an
 * access point, for example. */
static void net_need_up(struct protect_item *item, const char *name)
{
	protect_need(item, "its network interface %s is up", name);
	item->lasting = true;
}

static bool net_visit_interface(void *ctx, const char *name)
{
	struct net_search *search = ctx;
	struct protect *protect = search->protect;
	struct sysfs_path path = sysfs_path("class/net/%s", name);
	char place[PATH_MAX];
	struct protect_item *item = protect_find_link(protect, path.text, place);
	struct net_card card = { item, name };
	bool has_link = net_is_card(place) && net_has_link(protect, name, place);

	search->has_link |= has_link;
	if (!item) {
		protect->survey->has_link |= has_link;
		return false;
	}
	item->network = true;
	if (!protect_each_entry(protect, path.text, net_visit_entry, &card) &&
	    (has_link || net_is_up(protect, name)))
		net_need_up(item, name);
	return false;
}

static bool net_is_entry(void *ctx, const char *name)
{
	(void)ctx;
	return name[0] != '.';
}

static bool net_is_wdm(void *ctx, const char *name)
{
	(void)ctx;
	return !strncmp(name, "cdc-wdm", 7);
}

/* Whether a USB interface is that of a modem, which may get a network interface only when it is
 * used. */
static bool net_is_modem(struct protect *protect, const char *interface, const char *driver)
{
	struct sysfs_path path = sysfs_path(DEVICE_DIR "%s/usbmisc", interface);

	return str_is_listed("option qcserial sierra qmi_wwan cdc_mbim huawei_cdc_ncm", driver) ||
	       protect_each_entry(protect, path.text, net_is_wdm, NULL);
}

/*
 * The directory net is made with the first network interface and removed with the last one
 * (drivers/base/core.c get_device_parent(), cleanup_glue_dir()). One that moves to another
 * namespace stays in it, and is shown only there (net/core/dev.c __dev_change_net_namespace(),
 * drivers/base/core.c class_dir_child_ns_type()).
 */
void protect_network_of(struct protect *protect, struct protect_item *item, const char *interface,
			const char *driver)
{
	struct sysfs_path path = sysfs_path(DEVICE_DIR "%s/net", interface);
	int found = sysfs_each_entry(protect->sysfs->root, path.text, net_is_entry, NULL);

	protect_failed(protect, "sys", path.text, found);
	if (!found) {
		protect_need(item, "its network interface is in another network namespace");
		item->network = item->lasting = true;
	}
	if (protect->survey->starting && net_is_modem(protect, interface, driver))
		protect_traits(protect, item)->modem = true;
}

static bool net_is_zero(const char *digits)
{
	return !digits[strspn(digits, "0")];
}

/*
 * A line of net/route or net/ipv6_route; that of a default route has an empty mask. True if no
 * other one can tell more.
 * IPv4: "eth0 00000000 0102A8C0 0003 0 0 100 00000000 0 0 0":
 *	interface to via flags - - metric mask - - -
 * IPv6: "fe80... 40 0... 00 0... 00000100 00000001 00000000 00000001 eth0":
 *	to bits from bits via metric - - flags interface
 */
static bool net_visit_route(void *ctx, char *line)
{
	enum { MASK, FLAGS, INTERFACE };
	static const uint8_t v4_column[] = { 7, 3, 0 }, v6_column[] = { 1, 8, 9 };
	struct net_search *search = ctx;
	struct protect *protect = search->protect;
	char *word[10], place[PATH_MAX];
	struct protect_item *item;
	const uint8_t *column;
	const char *name;
	uint32_t flags;

	if (str_words(line, word, ARRAY_SIZE(word)) < ARRAY_SIZE(word))
		return false;
	column = strlen(word[0]) == V6_DIGITS ? v6_column : v4_column;
	name = word[column[INTERFACE]];
	if (!net_is_zero(word[column[MASK]]) || str_hex(word[column[FLAGS]], UINT32_MAX, &flags) ||
	    !(flags & RTF_UP) || flags & RTF_REJECT)
		return false;
	item = protect_find_link(protect, sysfs_path("class/net/%s", name).text, place);
	if (!place[0])
		return false;
	if (item) /* the interface has come up since its flags were read */
		net_need_up(item, name);
	search->has_route = true;
	if (!protect->survey->has_link)
		protect->survey->has_link = net_has_link(protect, name, place); /* it may be dead */
	return protect->survey->has_link;
}

/* Whether the device may still get a driver that makes it a network card. */
static bool net_waits_for_driver(const struct net_search *search, const struct protect_item *item)
{
	bool has_link = search->has_link || search->protect->survey->has_link;

	if (!protect_traits(search->protect, item)->driverless)
		return false;
	return (item->stage == PROTECT_AT_START && !search->has_route) ||
	       (item->stage == PROTECT_PLUGGED_IN && !has_link);
}

/* A device whose interfaces are all down, or that has none. */
static void net_judge_idle(const struct net_search *search, struct protect_item *item)
{
	bool modem = protect_traits(search->protect, item)->modem;
	bool waits = search->protect->survey->starting && (item->network || modem) &&
		     !search->has_route;

	if (waits || net_waits_for_driver(search, item)) {
		protect_later(item, "it may be this host's way to a network");
	} else if (item->network && !search->has_link) {
		protect_need(item, PROTECT_NO_LINK);
		item->lasting = true;
	}
}

void protect_networks(struct protect *protect)
{
	struct net_search search = { .protect = protect };
	struct protect_survey *survey = protect->survey;

	survey->has_link = false;
	protect_each_entry(protect, "class/net", net_visit_interface, &search);
	if (!protect_each_line(protect, "net/route", net_visit_route, &search))
		protect_each_line(protect, "net/ipv6_route", net_visit_route, &search);
	if (protect->unknown.text[0])
		survey->has_link = true;
	else
		EACH_PROTECT_ITEM(protect, item) {
			net_judge_idle(&search, item);
			item->network |= protect_traits(protect, item)->card;
		}
}

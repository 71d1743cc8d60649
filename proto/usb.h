/* SPDX-License-Identifier: MIT */
/* Bus ids, class codes and speeds of USB devices, as numbers and as words. Pure functions. */
#ifndef PROTO_USB_H
#define PROTO_USB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct op_device;
struct op_interface;

/* The size of a busid on the wire and in the drivers, with its terminator
 * (usbip_common.h SYSFS_BUS_ID_SIZE in tools/usb/usbip/libsrc, stub.h BUSID_SIZE). */
#define BUSID_SIZE 32

/*
 * Whether s is a bus id of the local kernel: BUS-PORT, then .PORT for each hub in between; decimal,
 * no leading zero, at most 31 characters. Root hubs (usb1) and interfaces (1-1:1.0) have none. No
 * other string may become part of a sysfs path.
 */
bool busid_is_device(const char *s);

/*
 * Whether s is a bus id that a peer may use: 1 to 31 letters, digits and "-._:". Servers that are
 * not Linux hosts have bus ids of other forms; they are only compared, logged and sent back.
 */
bool busid_is_name(const char *s);

/*
 * A class code (https://www.usb.org/defined-class-codes) as a word, such as "hid"; "other" if it
 * has no word here. No word is part of another one.
 */
const char *usb_class_text(uint8_t class);
/* The reverse. Returns -EINVAL if text is no such word, or "other". No word is one or two
 * hexadecimal digits. */
int usb_class_code(const char *text);
/*
 * Writes the classes of a device, "hid,audio", into buf, which has size bytes, at least 1: those of
 * its interfaces, each word once, or the device's own if it shows no interfaces. Leaves buf empty
 * if neither tells a class. Words that do not fit are left out.
 */
void usb_class_words(const struct op_device *device, const struct op_interface *interface,
		     char *buf, size_t size);

/*
 * A speed, as it is on the wire (enum usb_device_speed of linux/usb/ch9.h), from the text of the
 * attribute "speed" in sysfs, in Mbit/s; 0 if it is unknown.
 */
uint32_t usb_speed_parse(const char *text);
/* A speed in Mbit/s: 1 (in truth 1.5) for low, 12, 480, 5000, 10000 (or more); 0 if unknown. */
unsigned usb_speed_mbits(uint32_t speed);

#endif

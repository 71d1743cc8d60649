################################################################################
#
# usbiphp
#
################################################################################

# SPDX-License-Identifier: MIT
# The source is the clone that this tree is in, without what was built there.
# In Buildroot itself it would be the release, whose sha256 then is in
# usbiphp.hash, and these three lines would be one:
#   USBIPHP_SITE = https://usbiphp.example/releases
USBIPHP_VERSION = 0.1.0
USBIPHP_SITE = $(BR2_EXTERNAL_USBIPHP_PATH)/../..
USBIPHP_SITE_METHOD = local
USBIPHP_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude /build
USBIPHP_LICENSE = MIT
USBIPHP_LICENSE_FILES = LICENSE

USBIPHP_MAKE_OPTS = \
	$(TARGET_CONFIGURE_OPTS) \
	DESTDIR=$(TARGET_DIR) \
	PREFIX=/usr \
	UDEV_DIR=$(TARGET_DIR)/lib/udev/rules.d

# Its Makefile links a PIE unless it is told not to.
ifneq ($(BR2_PIC_PIE),y)
USBIPHP_MAKE_OPTS += LDFLAGS="$(TARGET_LDFLAGS) -no-pie"
endif

ifeq ($(BR2_PACKAGE_USBIPHP_SERVER),y)
USBIPHP_SYSV_SERVICES += usbip-bind
USBIPHP_SYSTEMD_SERVICES += usbip-bind
USBIPHP_OPENRC_SERVICES += usbip-bind
endif

ifeq ($(BR2_PACKAGE_USBIPHP_CLIENT),y)
USBIPHP_SYSV_SERVICES += usbip-attach
USBIPHP_SYSTEMD_SERVICES += usbip-attach usbip-sleep
USBIPHP_OPENRC_SERVICES += usbip-attach usbip-unmount
define USBIPHP_CLIENT_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_USBIP_CORE)
	$(call KCONFIG_ENABLE_OPT,CONFIG_USBIP_VHCI_HCD)
endef
endif

define USBIPHP_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_NET)
	$(call KCONFIG_ENABLE_OPT,CONFIG_USB_SUPPORT)
	$(call KCONFIG_ENABLE_OPT,CONFIG_USB)
	$(USBIPHP_CLIENT_LINUX_CONFIG_FIXUPS)
endef

define USBIPHP_BUILD_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) $(USBIPHP_MAKE_OPTS) -C $(@D)
endef

define USBIPHP_INSTALL_TARGET_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) $(USBIPHP_MAKE_OPTS) -C $(@D) install
endef

# A script that has no number is not started at boot.
define USBIPHP_INSTALL_INIT_SYSV
	$(TARGET_MAKE_ENV) $(MAKE) $(USBIPHP_MAKE_OPTS) -C $(@D) install-sysvinit
	for service in $(USBIPHP_SYSV_SERVICES); do \
		mv -f $(TARGET_DIR)/etc/init.d/$$service \
			$(TARGET_DIR)/etc/init.d/S60$$service || exit; \
	done
endef

# Buildroot enables every unit that no preset disables. The first line for a unit
# wins.
define USBIPHP_INSTALL_INIT_SYSTEMD
	$(TARGET_MAKE_ENV) $(MAKE) $(USBIPHP_MAKE_OPTS) -C $(@D) install-systemd
	mkdir -p $(TARGET_DIR)/usr/lib/systemd/system-preset
	printf '%s\n' $(USBIPHP_SYSTEMD_SERVICES:%='enable %.service') \
		$(patsubst %,'disable usbip-%.service',bind attach sleep) \
		>$(TARGET_DIR)/usr/lib/systemd/system-preset/50-usbiphp.preset
endef

define USBIPHP_INSTALL_INIT_OPENRC
	$(TARGET_MAKE_ENV) $(MAKE) $(USBIPHP_MAKE_OPTS) -C $(@D) install-openrc
	mkdir -p $(TARGET_DIR)/etc/runlevels/default
	for service in $(USBIPHP_OPENRC_SERVICES); do \
		ln -sf /etc/init.d/$$service \
			$(TARGET_DIR)/etc/runlevels/default/$$service || exit; \
	done
endef

$(eval $(generic-package))

# SPDX-License-Identifier: MIT
# A stand-in for Buildroot's generic-package, see t_buildroot.py: `make -f buildroot.mk TREE=... O=... BR2_...=y all`
# copies the source, builds it and installs it into $(O)/target; `source` only copies it; `kernel` prints the options
# that the kernel gets, and `print` the flags. TREE is a br2-external tree; O, CC and the BR2_ options come from the
# command line as well.
BR2_EXTERNAL_$(shell sed -n 's/^name: *//p' $(TREE)/external.desc)_PATH := $(TREE)
TARGET_DIR := $(O)/target
TARGET_CC := $(CC)
TARGET_CFLAGS := -O0 -g0
TARGET_LDFLAGS :=
TARGET_MAKE_ENV := PATH=$(PATH)
TARGET_CONFIGURE_OPTS = CC="$(TARGET_CC)" CFLAGS="$(TARGET_CFLAGS)" CPPFLAGS="" LDFLAGS="$(TARGET_LDFLAGS)"
INSTALL := install
KCONFIG_ENABLE_OPT = @echo $(1)
MAKEOVERRIDES :=

all:

# The name of the package is that of the directory of its .mk.
define generic-package
NAME := $(lastword $(subst /, ,$(dir $(lastword $(MAKEFILE_LIST)))))
PKG := $(shell echo $(lastword $(subst /, ,$(dir $(lastword $(MAKEFILE_LIST))))) | tr a-z- A-Z_)
endef

include $(TREE)/external.mk

# As with the site method "local": rsync, whose patterns are anchored at the source by their first "/".
ifneq ($($(PKG)_SITE_METHOD),local)
$(error no source without a download)
endif
$(O)/build/$(NAME)/.stamp_rsynced:
	mkdir -p $(@D)
	tar -C $($(PKG)_SITE) -c --exclude-vcs --anchored $($(PKG)_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS:/%=./%) . | tar -C $(@D) -x
	touch $@

$(O)/build/$(NAME)/.stamp_built: $(O)/build/$(NAME)/.stamp_rsynced
	+$($(PKG)_BUILD_CMDS)
	touch $@

# Each time again.
$(O)/build/$(NAME)/.stamp_target_installed: $(O)/build/$(NAME)/.stamp_built
	mkdir -p $(TARGET_DIR)
	+$($(PKG)_INSTALL_TARGET_CMDS)
	$(if $(BR2_INIT_SYSTEMD),$($(PKG)_INSTALL_INIT_SYSTEMD))
	$(if $(BR2_INIT_SYSV)$(BR2_INIT_BUSYBOX),$($(PKG)_INSTALL_INIT_SYSV))
	$(if $(BR2_INIT_OPENRC),$(or $($(PKG)_INSTALL_INIT_OPENRC),$($(PKG)_INSTALL_INIT_SYSV)))

all: $(O)/build/$(NAME)/.stamp_target_installed
source: $(O)/build/$(NAME)/.stamp_rsynced

kernel:
	$($(PKG)_LINUX_CONFIG_FIXUPS)

print:
	@echo '$(subst ','\'',$($(PKG)_MAKE_OPTS))'

.PHONY: all source kernel print

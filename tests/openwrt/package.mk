# SPDX-License-Identifier: MIT
# A stand-in for OpenWrt's file of this name, see t_openwrt.py: `make all` builds each package below
# $(TOPDIR)/root, from the source tarball that is there.
PKG_BUILD_DIR ?= $(TOPDIR)/build/$(PKG_NAME)-$(PKG_VERSION)
PACKAGES :=

define BuildPackage
PACKAGES += $(1)
$(eval $(Package/$(1)))
$(1): .built
	$$(call Package/$(1)/install,$(TOPDIR)/root/$(1))
	@echo "PACKAGE $(1)|$(TITLE)|$(SECTION)|$(CATEGORY)|$(DEPENDS)|$$(strip $$(Package/$(1)/conffiles))"
endef

all: packages

.built:
	mkdir -p $(dir $(PKG_BUILD_DIR))
	tar -xf $(TOPDIR)/$(PKG_SOURCE) -C $(dir $(PKG_BUILD_DIR))
	$(Build/Compile)
.PHONY: .built all packages
.SECONDEXPANSION:
packages: $$(PACKAGES)

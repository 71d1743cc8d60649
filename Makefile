# SPDX-License-Identifier: MIT
# make builds build/usbiphp and its links. CONTRIBUTING.md has the other targets.

VERSION := 0.1.0
PREFIX ?= /usr/local
CROSS_COMPILE ?=
SAN ?=
DEBUG ?=

# musl-gcc, if it is installed: a static binary with glibc cannot resolve names. Never with sanitizers.
ifeq ($(origin CC),default)
  ifneq ($(CROSS_COMPILE),)
    CC := $(CROSS_COMPILE)gcc
  else ifneq ($(SAN),)
    CC := gcc
  else
    CC := $(shell command -v musl-gcc >/dev/null 2>&1 && echo musl-gcc || echo cc)
  endif
endif

# $(call has,FLAG): the flag, if the compiler knows it.
has = $(shell echo 'int x;' | $(CC) -Werror $(1) -c -x c -o /dev/null - 2>/dev/null && echo $(1))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wmissing-prototypes \
	-Wstrict-prototypes -Wformat=2 -Wno-format-nonliteral
MACHINE := $(shell $(CC) -dumpmachine)
MUSL := $(findstring musl,$(notdir $(CC)) $(MACHINE))

# The defaults. If you set CFLAGS or LDFLAGS, yours replace them.
ifneq ($(SAN),)
  CFLAGS ?= -g -O1 -fno-omit-frame-pointer
  LDFLAGS ?=
else ifneq ($(DEBUG),)
  CFLAGS ?= -g -Og
  LDFLAGS ?=
else
  CFLAGS ?= $(or $(call has,-Oz),-Os) -flto $(call has,-flto-partition=one) $(call has,-fipa-pta) \
	-ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fstack-protector-strong \
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 $(call has,-fstack-clash-protection) $(call has,-fcf-protection)
  LDFLAGS ?= -s -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code,--gc-sections,--build-id=none
endif
# Expanded now, so that the compiler is asked for its flags once, not for every file.
CFLAGS := $(CFLAGS)

# Flags that the program needs in any case. They come first, so yours win.
BASE_CPPFLAGS := -I. -D_GNU_SOURCE -DVERSION='"$(VERSION)"'
BASE_CFLAGS := -std=c11 $(WARNINGS)
ifneq ($(SAN),)
  BASE_CFLAGS += -fsanitize=$(SAN) -fno-sanitize-recover=all
endif

# Position-independent, unless your flags say -no-pie. With musl the program is static. musl-gcc does not
# know static PIE, so the start files, which are beside its specs, are named here. A native musl compiler
# knows them by itself.
PIE := $(if $(filter -no-pie,$(CFLAGS) $(LDFLAGS)),,pie)
ifneq ($(PIE),)
  BASE_CFLAGS += -fPIE
endif
ifeq ($(MUSL),)
  BASE_LDFLAGS := $(PIE:%=-%)
else
  MUSL_LIB := $(patsubst %/musl-gcc.specs,%,$(filter %/musl-gcc.specs,$(subst ",,$(shell \
	tail -n 1 "$$(command -v $(firstword $(CC)))"))))
  ifeq ($(PIE),)
    BASE_LDFLAGS := -static
  else ifeq ($(MUSL_LIB),)
    BASE_LDFLAGS := -static-pie
  else
    BASE_LDFLAGS := -static -Wl,-pie,--no-dynamic-linker,-z,text -nostartfiles
    START := $(MUSL_LIB)/rcrt1.o $(MUSL_LIB)/crti.o $(shell $(CC) -print-file-name=crtbeginS.o)
    END := $(shell $(CC) -print-file-name=crtendS.o) $(MUSL_LIB)/crtn.o
  endif
  # Debian's musl-gcc does not search the directories of the kernel's headers.
  ifeq ($(notdir $(CC)),musl-gcc)
    BASE_CPPFLAGS += -idirafter /usr/include -idirafter /usr/include/$(shell gcc -print-multiarch)
  endif
endif

ROOMS := proto lib sysfs usbfs policy loop tls host client cmd
LIB := $(sort $(foreach room,$(ROOMS),$(wildcard $(room)/*.c)))
SOURCES := $(LIB) usbiphp.c
OBJECTS := $(SOURCES:%.c=build/obj/%.o)
LINKS := build/usbiphp-server build/usbiphp-client

all: build/usbiphp $(LINKS)

# If the flags have changed, everything is built again.
COMPILE := $(CC) $(BASE_CPPFLAGS) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS)
LINK := $(CC) $(BASE_CFLAGS) $(CFLAGS) $(BASE_LDFLAGS) $(filter-out $(if $(MUSL),-pie),$(LDFLAGS))
FLAGS := $(COMPILE) $(LINK) $(START)
build/flags: FORCE
	@mkdir -p build
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS))' >$@
FORCE:

build/obj/%.o: %.c build/flags
	@mkdir -p $(@D)
	$(COMPILE) -MMD -MP -c $< -o $@
-include $(OBJECTS:.o=.d)

build/usbiphp: $(OBJECTS)
	$(LINK) $(START) $(OBJECTS) $(LDLIBS) $(END) -o $@

$(LINKS): build/usbiphp
	ln -sf usbiphp $@

test:
	tests/run

test-long:
	tests/run --long

check:
	tests/check

demo:
	tests/demo

bench:
	tests/bench/run

fuzz:
	tests/fuzz/run

prove:
	tests/prove/run

mutate:
	tests/mutate

site:
	install/release/site

# Shells search the completion of a command in a file with the name of the command.
SHARE = $(DESTDIR)$(PREFIX)/share
BASH_DIR = $(SHARE)/bash-completion/completions
FISH_DIR = $(SHARE)/fish/vendor_completions.d
ZSH_DIR = $(SHARE)/zsh/site-functions
UDEV_DIR = $(DESTDIR)$(PREFIX)/lib/udev/rules.d
ROLES := usbiphp-server usbiphp-client

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/man/man8 \
		$(BASH_DIR) $(FISH_DIR) $(ZSH_DIR) $(UDEV_DIR)
	install -m 755 build/usbiphp $(DESTDIR)$(PREFIX)/bin/usbiphp
	for role in $(ROLES); do ln -sf usbiphp $(DESTDIR)$(PREFIX)/bin/$$role || exit; done
	for n in 1 5 8; do install -m 644 man/*.$$n $(SHARE)/man/man$$n || exit; done
	install -m 644 completion/usbiphp.bash $(BASH_DIR)/usbiphp
	install -m 644 completion/usbiphp.fish $(FISH_DIR)/usbiphp.fish
	install -m 644 completion/_usbiphp $(ZSH_DIR)/_usbiphp
	install -m 644 install/udev/72-usbiphp.rules install/udev/73-usbiphp-client.rules $(UDEV_DIR)
	for role in $(ROLES); do ln -sf usbiphp $(BASH_DIR)/$$role && \
		ln -sf usbiphp.fish $(FISH_DIR)/$$role.fish || exit; done

# For packages: the services, neither enabled nor started, in the paths of PREFIX. Options that are there stay.
LIB_DIR = $(PREFIX)/lib/usbiphp
UNIT_DIR = $(DESTDIR)$(PREFIX)/lib/systemd/system
SERVICES := usbip-bind usbip-attach
packaged = sed $(4) -e 's|/opt/usbip/install|$(LIB_DIR)|; s|/opt/usbip/|$(PREFIX)/bin/|g' \
	install/$(1) >$(2) && chmod $(3) $(2)
options = for service in $(SERVICES); do [ -e $(DESTDIR)/etc/$(1)/$$service ] || \
	install -m 644 install/options/$$service $(DESTDIR)/etc/$(1) || exit; done

install-systemd: install
	install -d $(UNIT_DIR) $(DESTDIR)$(LIB_DIR) $(DESTDIR)/etc/default $(DESTDIR)/etc/usbiphp/hooks.d
	for unit in usbip-bind usbip-sleep usbip-unmount; do \
		$(call packaged,systemd/$$unit.service,$(UNIT_DIR)/$$unit.service,644) || exit; done
	$(call packaged,systemd/usbip-attach.service,$(UNIT_DIR)/usbip-attach.service,644,\
		-e '/^ExecStart=/r install/systemd/no-host')
	$(call packaged,unmount.sh,$(DESTDIR)$(LIB_DIR)/unmount.sh,755)
	$(call options,default)

install-openrc: install
	install -d $(DESTDIR)$(LIB_DIR) $(DESTDIR)/etc/init.d $(DESTDIR)/etc/conf.d $(DESTDIR)/etc/usbiphp/hooks.d
	for script in daemon.sh unmount.sh; do \
		$(call packaged,$$script,$(DESTDIR)$(LIB_DIR)/$$script,755) || exit; done
	for service in $(SERVICES); do \
		$(call packaged,openrc/service,$(DESTDIR)/etc/init.d/$$service,755) || exit; done
	$(call options,conf.d)
	$(call packaged,openrc/unmount,$(DESTDIR)/etc/init.d/usbip-unmount,755)

install-sysvinit: install
	install -d $(DESTDIR)$(LIB_DIR)/sysvinit $(DESTDIR)/etc/init.d $(DESTDIR)/etc/default $(DESTDIR)/etc/usbiphp/hooks.d
	for script in daemon.sh unmount.sh sysvinit/supervise.sh; do \
		$(call packaged,$$script,$(DESTDIR)$(LIB_DIR)/$$script,755) || exit; done
	$(call packaged,sysvinit/service.sh,$(DESTDIR)$(LIB_DIR)/sysvinit/service.sh,644)
	for service in $(SERVICES); do \
		$(call packaged,sysvinit/$$service,$(DESTDIR)/etc/init.d/$$service,755) || exit; done
	$(call options,default)

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/usbiphp $(ROLES:%=$(DESTDIR)$(PREFIX)/bin/%)
	for page in man/*.[158]; do rm -f $(SHARE)/man/man$${page##*.}/$${page#man/} || exit; done
	rm -f $(BASH_DIR)/usbiphp $(ROLES:%=$(BASH_DIR)/%) $(ZSH_DIR)/_usbiphp \
		$(FISH_DIR)/usbiphp.fish $(ROLES:%=$(FISH_DIR)/%.fish) \
		$(UDEV_DIR)/72-usbiphp.rules $(UDEV_DIR)/73-usbiphp-client.rules

# make release ARCH="aarch64 mips" builds only these.
release:
	install/release/run $(ARCH)

dist:
	mkdir -p build
	git archive --prefix=usbiphp-$(VERSION)/ -o build/usbiphp-$(VERSION).tar.gz HEAD

deb:
	@VERSION='$(VERSION)' install/debian/package

arch rpm: dist
	@VERSION='$(VERSION)' install/$@/package

# Prints the rooms, for scripts that compile or check the product.
rooms:
	@echo $(ROOMS)

clean:
	rm -rf build

.PHONY: all test test-long check demo bench fuzz prove mutate site install install-systemd install-openrc \
	install-sysvinit uninstall dist deb arch rpm release rooms clean FORCE

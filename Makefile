# SPDX-License-Identifier: MIT
# make: build/usbiphp and its links; see CONTRIBUTING.md for the other targets.

VERSION := 0.1.0
PREFIX ?= /usr/local
CROSS_COMPILE ?=
SAN ?=
DEBUG ?=

# musl when it is there: a static binary with glibc could not resolve names. Never with sanitizers.
ifeq ($(origin CC),default)
  ifneq ($(CROSS_COMPILE),)
    CC := $(CROSS_COMPILE)gcc
  else ifneq ($(SAN),)
    CC := gcc
  else
    CC := $(shell command -v musl-gcc >/dev/null 2>&1 && echo musl-gcc || echo cc)
  endif
endif

# Whether the compiler takes a flag.
has = $(shell echo 'int x;' | $(CC) -Werror $(1) -c -x c -o /dev/null - 2>/dev/null && echo $(1))

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wmissing-prototypes \
	-Wstrict-prototypes -Wformat=2 -Wno-format-nonliteral
MACHINE := $(shell $(CC) -dumpmachine)
MUSL := $(findstring musl,$(notdir $(CC)) $(MACHINE))

ifneq ($(SAN),)
  CFLAGS ?= -g -O1 -fno-omit-frame-pointer
  override CFLAGS += -fsanitize=$(SAN) -fno-sanitize-recover=all
  override LDFLAGS += -fsanitize=$(SAN)
else ifneq ($(DEBUG),)
  CFLAGS ?= -g -Og
else
  # Every byte is somebody's flash. What gcc does at -Oz, too, but makes this program larger:
  LARGER := move-loop-invariants tree-loop-im tree-pre tree-switch-conversion caller-saves shrink-wrap
  CFLAGS ?= $(or $(call has,-Oz),-Os) -flto $(call has,-flto-partition=one) $(call has,-fno-jump-tables) -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables -fno-stack-protector \
	$(foreach flag,$(LARGER),$(call has,-fno-$(flag))) \
	$(call has,-fcf-protection=none) $(if $(findstring x86_64,$(MACHINE)),$(call has,-mgeneral-regs-only) $(call has,-malign-data=abi))
  # Asked once, not for every file.
  CFLAGS := $(CFLAGS)
  LDFLAGS ?= -s -Wl,--gc-sections,--build-id=none
endif

ifneq ($(MUSL),)
  override CFLAGS += -fno-pie
  override LDFLAGS += -static -no-pie -Wl,-z,noseparate-code,-z,norelro,-z,common-page-size=64
  # Debian's musl-gcc does not look where the kernel's headers are.
  ifeq ($(notdir $(CC)),musl-gcc)
    override CPPFLAGS += -idirafter /usr/include -idirafter /usr/include/$(shell gcc -print-multiarch)
  endif
  SMALL := small.c small_resolve.c
endif

# At once: what the compiler takes is asked for one time, not for every file.
override CPPFLAGS := $(CPPFLAGS) -I. -D_GNU_SOURCE -DVERSION='"$(VERSION)"'
override CFLAGS := $(CFLAGS) -std=c11 $(WARNINGS)

ROOMS := proto lib sysfs policy loop tls host client cmd
LIB := $(sort $(foreach room,$(ROOMS),$(wildcard $(room)/*.c)))
SOURCES := $(LIB) usbiphp.c $(SMALL)
HEADERS := $(foreach room,$(ROOMS),$(wildcard $(room)/*.h))
OBJECTS := $(SOURCES:%.c=build/obj/%.o)
LINKS := build/usbiphp-server build/usbiphp-client

all: build/usbiphp $(LINKS)

# What was built with other flags is built again.
FLAGS := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)
build/flags: FORCE
	@mkdir -p build
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS))' >$@
FORCE:

build/obj/%.o: %.c $(HEADERS) build/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -c $< -o $@

build/usbiphp: $(OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@

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

# Shells look for the completion of a command in a file of its name.
SHARE = $(DESTDIR)$(PREFIX)/share
BASH_DIR = $(SHARE)/bash-completion/completions
FISH_DIR = $(SHARE)/fish/vendor_completions.d
ZSH_DIR = $(SHARE)/zsh/site-functions
ROLES := usbiphp-server usbiphp-client

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/man/man8 \
		$(BASH_DIR) $(FISH_DIR) $(ZSH_DIR)
	install -m 755 build/usbiphp $(DESTDIR)$(PREFIX)/bin/usbiphp
	for role in $(ROLES); do ln -sf usbiphp $(DESTDIR)$(PREFIX)/bin/$$role || exit; done
	for n in 1 5 8; do install -m 644 man/*.$$n $(SHARE)/man/man$$n || exit; done
	install -m 644 completion/usbiphp.bash $(BASH_DIR)/usbiphp
	install -m 644 completion/usbiphp.fish $(FISH_DIR)/usbiphp.fish
	install -m 644 completion/_usbiphp $(ZSH_DIR)/_usbiphp
	for role in $(ROLES); do ln -sf usbiphp $(BASH_DIR)/$$role && \
		ln -sf usbiphp.fish $(FISH_DIR)/$$role.fish || exit; done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/usbiphp $(ROLES:%=$(DESTDIR)$(PREFIX)/bin/%)
	for page in man/*.[158]; do rm -f $(SHARE)/man/man$${page##*.}/$${page#man/} || exit; done
	rm -f $(BASH_DIR)/usbiphp $(ROLES:%=$(BASH_DIR)/%) $(ZSH_DIR)/_usbiphp \
		$(FISH_DIR)/usbiphp.fish $(ROLES:%=$(FISH_DIR)/%.fish)

# make release ARCH="aarch64 mips": only these.
release:
	install/release/run $(ARCH)

dist:
	mkdir -p build
	git archive --prefix=usbiphp-$(VERSION)/ -o build/usbiphp-$(VERSION).tar.gz HEAD

deb:
	@VERSION='$(VERSION)' install/debian/package

# For scripts that compile or check the product.
rooms:
	@echo $(ROOMS)

clean:
	rm -rf build

.PHONY: all test test-long check demo bench fuzz prove mutate install uninstall dist deb release rooms clean FORCE

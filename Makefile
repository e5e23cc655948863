# Tusk. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := all

PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
CC ?= gcc
CXX ?= g++
OPT ?= -O2
SANITIZE ?=
ARGS ?=

WARN := -Wall -Wextra -Werror
PKG = $(shell pkg-config --cflags luajit libuv 2>/dev/null)
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE $(WARN) $(OPT) -g -fPIC -fvisibility=hidden -Ihost $(SANITIZE) $(CFLAGS)
CXXFLAGS_ALL = -std=c++17 -D_GNU_SOURCE $(WARN) $(OPT) -g -fPIC -fvisibility=hidden -Ihost $(SANITIZE) $(CXXFLAGS)
LIBS = $(shell pkg-config --libs luajit libuv 2>/dev/null) -ldl -lpthread

HOST_SRC := $(filter-out host/main.c host/cli%.c,$(wildcard host/*.c))
CLI_SRC := host/main.c $(wildcard host/cli*.c)
HOST_OBJ := $(HOST_SRC:%.c=$(BUILD)/%.o) $(BUILD)/embed.o
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/%.o)
LUA_SRC := $(shell find lua -name '*.lua' 2>/dev/null | LC_ALL=C sort)

# A binding is bindings/NAME.c or .cc with any bindings/NAME_*.c; "link: ..." in it names its libraries.
BINDING_SRC := $(wildcard bindings/*.c bindings/*.cc)
BINDINGS := $(sort $(foreach f,$(basename $(notdir $(BINDING_SRC))),$(firstword $(subst _, ,$(f)))))
BINDING_SO := $(BINDINGS:%=$(BUILD)/bindings/%.so)
binding_src = $(wildcard bindings/$(1).c bindings/$(1).cc bindings/$(1)_*.c bindings/$(1)_*.cc)
binding_obj = $(addprefix $(BUILD)/,$(addsuffix .o,$(basename $(call binding_src,$(1)))))
binding_link = $(shell sed -n 's,^/\* link: \(.*\) \*/.*,\1,p' $(call binding_src,$(1)))

.PHONY: help all run test check asan stress install clean deps deps-test FORCE

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

all: $(BUILD)/tusk $(BUILD)/libtusk.a $(BUILD)/libtusk.so $(BINDING_SO) ## build/tusk, libtusk and the bindings

$(BUILD)/host/%.o: host/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(PKG) -MMD -MP -c $< -o $@

$(BUILD)/bindings/%.o: bindings/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(PKG) $(if $(findstring luv,$*),-I/usr/include/lua5.1) -MMD -MP -c $< -o $@

$(BUILD)/bindings/%.o: bindings/%.cc
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS_ALL) $(PKG) -MMD -MP -c $< -o $@

.SECONDEXPANSION:
$(BUILD)/bindings/%.so: $$(call binding_obj,$$*)
	$(CC) -shared $(SANITIZE) -o $@ $^ $(call binding_link,$*)

# The Lua files, embedded. The list is rewritten only when it changes.
$(BUILD)/embed.S: FORCE
	@mkdir -p $(@D)
	@{ printf '.section .rodata\n'; i=0; \
	  for f in $(LUA_SRC); do n=$${f#lua/}; n=$${n%.lua}; n=$${n%/init}; \
	    printf 'T%d: .incbin "%s"\nE%d: .byte 0\nN%d: .asciz "%s"\n' $$i $$f $$i $$i $${n//\//.}; i=$$((i+1)); done; \
	  printf '.section .data.rel.ro,"aw"\n.balign 8\n.globl tusk_embedded\n.hidden tusk_embedded\ntusk_embedded:\n'; \
	  for ((j=0; j<i; j++)); do printf '.quad N%d, T%d, E%d - T%d\n' $$j $$j $$j $$j; done; \
	  printf '.quad 0, 0, 0\n.section .note.GNU-stack,"",@progbits\n'; } > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/embed.o: $(BUILD)/embed.S $(LUA_SRC)
	$(CC) -c $< -o $@

$(BUILD)/libtusk.a: $(HOST_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/libtusk.so: $(HOST_OBJ)
	$(CC) -shared $(SANITIZE) -Wl,-soname,libtusk.so.0 -o $@ $^ $(LIBS)

$(BUILD)/tusk: $(CLI_OBJ) $(BUILD)/libtusk.a
	$(CC) $(SANITIZE) -rdynamic -o $@ $(CLI_OBJ) -Wl,--whole-archive $(BUILD)/libtusk.a -Wl,--no-whole-archive $(LIBS)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

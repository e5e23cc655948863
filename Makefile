# Tusk. `make help` lists the targets; docs/building.md says more.
SHELL := /bin/bash
.DEFAULT_GOAL := all

PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build
ifeq ($(origin CC),default)
CC := gcc
endif
OPT ?= -O2
SANITIZE ?=
ARGS ?=
SPECS ?= spec $(wildcard examples/*/spec plugins/*/spec)

# All cores, unless -j says otherwise. Several goals (`deps run`, `clean all`) are made one after
# another all the same: each of them builds in a make of its own.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
ifneq ($(word 2,$(filter-out check-%,$(MAKECMDGOALS))),)
.NOTPARALLEL:
endif

WARN := -Wall -Wextra -Werror
PKG = $(eval PKG := $(shell pkg-config --cflags luajit libuv))$(PKG)
LIBS = $(eval LIBS := $(shell pkg-config --libs luajit libuv) -ldl -lpthread)$(LIBS)
COMMON = -D_GNU_SOURCE $(WARN) $(OPT) -g -fPIC -fvisibility=hidden -Ihost $(SANITIZE)
CFLAGS_ALL = -std=c11 $(COMMON) $(CFLAGS)
CXXFLAGS_ALL = -std=c++17 $(COMMON) $(CXXFLAGS)

CLI_SRC := host/main.c $(wildcard host/cli*.c)
HOST_SRC := $(filter-out $(CLI_SRC),$(wildcard host/*.c))
HOST_OBJ := $(HOST_SRC:%.c=$(BUILD)/%.o) $(BUILD)/embed.o
CLI_OBJ := $(CLI_SRC:%.c=$(BUILD)/%.o)
MODULE_OBJ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard host/module/*.c))
LUA_SRC := $(shell find lua -name '*.lua' | LC_ALL=C sort)
C_FILES := $(wildcard host/*.[ch] host/*/*.[ch] bindings/*.[ch] bindings/*.cc examples/*/*.[ch] bench/*/*.[ch] bench/*/*/*.c)

# A binding is bindings/NAME.c or .cc with any bindings/NAME_*.c. Lines of their own in it say what it
# needs: /* link: -lsqlite3 */ and /* compile: -I/usr/include/x */
BINDING_SRC := $(wildcard bindings/*.c bindings/*.cc)
BINDINGS := $(sort $(foreach f,$(basename $(notdir $(BINDING_SRC))),$(firstword $(subst _, ,$(f)))))
BINDING_SO := $(BINDINGS:%=$(BUILD)/bindings/%.so)
binding_src = $(wildcard bindings/$(1).c bindings/$(1).cc bindings/$(1)_*.c bindings/$(1)_*.cc)
binding_obj = $(addprefix $(BUILD)/,$(addsuffix .o,$(basename $(call binding_src,$(1)))))
binding_says = $(shell sed -n 's,^/\* $(1): \(.*\) \*/.*,\1,p' $(2))

.PHONY: help all built run docs test check asan tsan stress bench examples built-examples install install-files clean deps deps-test deps-bench FORCE
.PHONY: check-format check-headers check-c check-lua check-layers

help: ## this list
	@echo 'usage: make [TARGET ...] [VARIABLE=VALUE ...]'; echo
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' Makefile | expand -t 14
	@printf '\nvariables:\n'
	@printf '  %-11s %s\n' \
	  'PREFIX' 'where `install` puts things ($(PREFIX)); DESTDIR goes before it' \
	  'BUILD' 'the folder that is built in ($(BUILD))' \
	  'ARGS' 'for `run`: arguments of the example; for `test`: flags of busted' \
	  'SPECS' 'for `test`, `asan`, `stress`: files or folders of specs ($(SPECS))' \
	  'N' 'for the soaks among the specs: how many rounds'

all: ## build/tusk, libtusk and the bindings (the default)
	@pkg-config --exists luajit libuv 2>/dev/null || \
	  { echo 'LuaJIT or libuv is not installed: `make deps` installs all that is needed' >&2; exit 1; }
	@$(MAKE) --no-print-directory built

built: $(BUILD)/tusk $(BUILD)/libtusk.a $(BUILD)/libtusk.so $(BUILD)/tusk.so $(BINDING_SO) $(BUILD)/share/tusk/plugins

run: ## the quickstart: examples/quickstart; ARGS are handed to it
	@$(MAKE) --no-print-directory all
	$(BUILD)/tusk run examples/quickstart $(ARGS)

# ---- testing: specs of a script directory run with its plugins, so each folder has a run of its own ----

TEST_ENV = TUSK=$(abspath $(BUILD)/tusk) BUILD=$(BUILD) CC="$(CC)" SANITIZE="$(SANITIZE)"

test: ## every spec; SPECS=spec/file one room, ARGS=--filter=... some of them
	@$(MAKE) --no-print-directory all
	@export $(TEST_ENV); failed=; for specs in $(SPECS); do \
	  echo "$$TUSK test $$specs" $(ARGS); "$$TUSK" test $$specs $(ARGS) || failed="$$failed $$specs"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

check: ## formatting, warnings, cppcheck, luacheck, the layers
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory -k -Otarget check-format check-headers check-c check-lua check-layers

check-format:
	clang-format --dry-run -Werror $(C_FILES)

# What others include stands alone, in C11 and in C++17; the stable header in their strictest form.
STRICT = -Wall -Wextra -Wpedantic -Werror -fsyntax-only
check-headers:
	$(CC) -std=c11 $(STRICT) -x c host/tusk.h
	$(CXX) -std=c++17 $(STRICT) -x c++ host/tusk.h
	$(CC) -std=gnu11 $(STRICT) $(PKG) -x c host/tusk_lua.h
	$(CXX) -std=gnu++17 $(STRICT) $(PKG) -x c++ host/tusk_lua.h

check-c:
	@mkdir -p $(BUILD)/cppcheck
	cppcheck --quiet --enable=warning,performance,portability --error-exitcode=1 --inline-suppr \
	  --std=c11 --std=c++17 --library=posix,lua,sqlite3,libcurl -D_GNU_SOURCE -Ihost --suppressions-list=.cppcheck \
	  --cppcheck-build-dir=$(BUILD)/cppcheck --template=gcc host bindings examples

# luacheck reads plain Lua: what is written with @ is expanded first, line for line.
check-lua:
	luacheck --quiet --no-color lua
	@rm -rf $(BUILD)/expanded && mkdir -p $(BUILD)/expanded && cp .luacheckrc $(BUILD)/expanded/
	@find $(wildcard plugins examples docs spec bench/*.lua bench/lib bench/workloads) -name '*.lua' | LC_ALL=C sort | while read -r f; do \
	  mkdir -p "$(BUILD)/expanded/$${f%/*}" && \
	  $(BUILD)/tusk expand "$$f" >"$(BUILD)/expanded/$$f" || exit 1; done
	cd $(BUILD)/expanded && luacheck --quiet --no-color .

check-layers:
	$(TEST_ENV) $(BUILD)/tusk test spec/layers_spec.lua

# At the end of a program not one byte may be left, but what a library keeps for the life of the process: .lsan
# Thread-local storage of what was loaded later is not looked at: LeakSanitizer keeps wrong notes of where that is, and
# falls over them now and then.
asan: ## the specs under AddressSanitizer, UBSan and LeakSanitizer, in build-asan/
	@ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:intercept_tls_get_addr=0:exitcode=99 \
	LSAN_OPTIONS=suppressions=$(CURDIR)/.lsan:print_suppressions=0 \
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	$(MAKE) --no-print-directory BUILD=build-asan OPT=-O1 \
	  SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" test

# What runs on threads. LuaJIT itself is not instrumented, and its JIT's code cannot be.
TSAN_SPECS := spec/op/worker_spec.lua spec/bindings/sqlite_thread_spec.lua spec/bindings/sqlite_spec.lua \
  spec/op/db_each_spec.lua spec/bindings/sqlite_group_spec.lua \
  spec/bindings/sqlite_rules_spec.lua spec/bindings/sqlite_faults_spec.lua \
  spec/embed/threads_spec.lua spec/op/process_spec.lua spec/op/process_hosts_spec.lua spec/op/hash_spec.lua spec/host/wait_spec.lua \
  spec/embed/op_spec.lua spec/embed/lua_op_spec.lua spec/embed/model_spec.lua

tsan: ## the specs of threads under ThreadSanitizer, in build-tsan/
	@TSAN_OPTIONS=halt_on_error=1:exitcode=99:suppressions=$(CURDIR)/.tsan \
	$(MAKE) --no-print-directory BUILD=build-tsan OPT=-O1 SANITIZE="-fsanitize=thread" \
	  SPECS="$(TSAN_SPECS)" test

# Each file in a run of its own: what a spec of many tasks leaves behind would be walked at every turn after it.
stress: ## the specs with a full garbage collection at every turn of the loop, and compiled at once
	@TUSK_STRESS=1 $(MAKE) --no-print-directory test SPECS="$(sort $(shell find $(SPECS) -name '*_spec.lua'))"

docs: ## the figures of docs/, simulated and drawn anew
	@$(MAKE) --no-print-directory all
	$(BUILD)/tusk docs/simulations/all.lua

# ---- measuring ----

BENCH := $(patsubst bench/workloads/%/c.c,$(BUILD)/bench/%,$(wildcard bench/workloads/*/c.c))
BENCH_TUSK := $(patsubst bench/workloads/%/tusk.c,$(BUILD)/bench/tusk-%,$(wildcard bench/workloads/*/tusk.c))

bench: ## Tusk beside its peers: W=files one workload, R=5 rounds, SCALE=0.01 of the work
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory $(BENCH) $(BENCH_TUSK) $(BUILD)/bench/launch
	@TUSK=$(abspath $(BUILD)/tusk) BUILD=$(BUILD) W="$(W)" R="$(R)" SCALE="$(SCALE)" $(BUILD)/tusk bench/run.lua

build_bench = mkdir -p $(@D) && $(CC) -std=c11 -D_GNU_SOURCE $(WARN) -O2 $(call binding_says,compile,$<) $< -o $@ \
  $(call binding_says,link,$<)

$(BUILD)/bench/launch: bench/lib/launch.c bench/lib/bench.h
	$(build_bench)

$(BENCH): $(BUILD)/bench/%: bench/workloads/%/c.c bench/lib/bench.h
	$(build_bench)

# Programs that embed the library that was built.
$(BENCH_TUSK): $(BUILD)/bench/tusk-%: bench/workloads/%/tusk.c bench/lib/bench.h host/tusk.h $(BUILD)/libtusk.so
	mkdir -p $(@D) && $(CC) -std=c11 -D_GNU_SOURCE $(WARN) -O2 -Ihost $< -o $@ -L$(BUILD) -Wl,-rpath,$(abspath $(BUILD)) -ltusk

# ---- programs that embed it: examples/NAME/*.c; a line /* needs: sdl2 */ names packages of pkg-config ----

EXAMPLES := $(sort $(foreach f,$(wildcard examples/*/*.c),$(word 2,$(subst /, ,$(f)))))
needs = $(shell sed -n 's,^/\* needs: \(.*\) \*/.*,\1,p' examples/$(1)/*.c)
has_all = $(if $(call needs,$(1)),$(shell pkg-config --exists $(call needs,$(1)) && echo yes),yes)

examples: ## build/examples/*: programs with the library in them; those of which something is missing are left out
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory built-examples

built-examples:
	@$(MAKE) --no-print-directory $(foreach e,$(EXAMPLES),$(if $(call has_all,$(e)),$(BUILD)/examples/$(e),missing-$(e)))

missing-%:
	@echo 'examples/$* is left out: it needs $(call needs,$*); `make deps-test` installs that'

# ---- installing ----

ROOT = $(DESTDIR)$(PREFIX)
LIBDIR = $(ROOT)/lib
VERSION = $(eval VERSION := $(shell sed -n 's/.*TUSK_VERSION *"\(.*\)".*/\1/p' host/tusk.h))$(VERSION)
PLUGIN_FILES = $(shell cd plugins && find . -mindepth 2 -type f ! -path './*/spec/*' -printf '%P\n' | LC_ALL=C sort)
fill_in = sed 's/@VERSION@/$(VERSION)/' host/install/$(1).in >$(2)/$(1)

install: ## program, library, headers, bindings, plugins, man pages into DESTDIR/PREFIX
	@$(MAKE) --no-print-directory all
	@$(MAKE) --no-print-directory install-files

install-files:
	install -d $(ROOT)/{bin,include} $(LIBDIR)/{pkgconfig,cmake/Tusk,lua/5.1,tusk/bindings} \
	  $(ROOT)/share/tusk/plugins $(ROOT)/share/man/{man1,man3}
	install -m 755 $(BUILD)/tusk $(ROOT)/bin/
	install -m 644 host/tusk.h host/tusk_lua.h $(ROOT)/include/
	install -m 644 $(BUILD)/libtusk.a $(LIBDIR)/
	install -m 755 $(BUILD)/libtusk.so.0 $(LIBDIR)/
	ln -sf libtusk.so.0 $(LIBDIR)/libtusk.so
	install -m 755 $(BINDING_SO) $(LIBDIR)/tusk/bindings/
	install -m 755 $(BUILD)/tusk.so $(LIBDIR)/lua/5.1/
	$(call fill_in,tusk.pc,$(LIBDIR)/pkgconfig)
	$(call fill_in,tusk-static.pc,$(LIBDIR)/pkgconfig)
	install -m 644 host/install/TuskConfig.cmake $(LIBDIR)/cmake/Tusk/
	$(call fill_in,TuskConfigVersion.cmake,$(LIBDIR)/cmake/Tusk)
	install -m 644 docs/man/*.1 $(ROOT)/share/man/man1/
	install -m 644 docs/man/*.3 $(ROOT)/share/man/man3/
	@for f in $(PLUGIN_FILES); do install -D -m 644 "plugins/$$f" "$(ROOT)/share/tusk/plugins/$$f"; done

clean: ## removes build/ and build-*/
	rm -rf build build-*

# ---- what has to be installed (Debian's names) ----

DEPS := gcc g++ libc6-dev pkg-config libuv1-dev lua-luv lua-luv-dev libcurl4-openssl-dev libssl-dev libsqlite3-dev \
  libhiredis-dev libpcre2-dev libsimdjson-dev ca-certificates tzdata libcairo2 fonts-dejavu-core
DEPS_TEST := lua-busted lua-check clang-format cmake cppcheck libsdl2-dev mandoc nginx openssl poppler-utils python3-aiosmtpd redis-server sqlite3

# Only what is missing: when all is there it needs neither root nor a network.
define install_packages
missing=$$(for p in $(1); do \
  [ "$$(dpkg-query -W -f='$${db:Status-Status}' $$p 2>/dev/null)" = installed ] || echo $$p; done); \
[ -z "$$missing" ] && exit 0; \
command -v apt-get >/dev/null || { echo "no apt-get here; needed, by Debian's names:" $(1) >&2; exit 1; }; \
root=; [ $$(id -u) = 0 ] || root=sudo; \
apt() { $$root env DEBIAN_FRONTEND=noninteractive apt-get "$$@" </dev/null; }; \
get() { apt install -y --no-install-recommends $$missing; }; \
compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null && get || { apt update && get; }
endef

# The program that goes with the LuaJIT that is there.
LUAJIT_PROGRAM = $(if $(filter installed,$(shell dpkg-query -W -f='$${db:Status-Status}' libluajit2-5.1-2 2>/dev/null)),luajit2,luajit)

# One LuaJIT is enough, and Debian's two cannot both be installed: none is added where one is.
deps: ## installs what building and running need (Debian, Ubuntu)
	@$(call install_packages,$(DEPS))
	@compgen -G '/usr/include/luajit-2*/luajit.h' >/dev/null || \
	  { $(call install_packages,libluajit-5.1-dev); } || { $(call install_packages,libluajit2-5.1-dev); }

deps-test: deps ## and what the specs and `make check` need
	@$(call install_packages,$(DEPS_TEST))
	@command -v luajit >/dev/null || { $(call install_packages,$(LUAJIT_PROGRAM)); }

# The benchmark's peers, as far as they can be had here; it skips aloud what is missing. nginx's Lua module wants
# a LuaJIT of its own, which would replace ours: it is unpacked, not installed.
NGINX_LUA_DEBS := libnginx-mod-http-lua libnginx-mod-http-ndk lua-resty-core lua-resty-lrucache libluajit2-5.1-2 \
  libluajit2-5.1-common

deps-bench: deps-test ## and the peers of `make bench`: luajit, lua-cjson, nginx with Lua; with npm also bun and drivers for node
	@$(call install_packages,luajit lua-cjson redis-server)
	@mkdir -p bench/peers/nginx-lua && cd bench/peers && apt-get download -q $(NGINX_LUA_DEBS) && \
	  for deb in *.deb; do dpkg -x $$deb nginx-lua && rm $$deb; done
	@command -v npm >/dev/null && cd bench && npm install --no-audit --no-fund --no-package-lock || \
	  echo 'no npm here: bun is left out, and node where it needs a driver'

# ---- building ----

$(BUILD)/host/%.o: host/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(PKG) -MMD -MP -c $< -o $@

$(BUILD)/bindings/%.o: bindings/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(PKG) $(call binding_says,compile,$<) -MMD -MP -c $< -o $@

$(BUILD)/bindings/%.o: bindings/%.cc
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS_ALL) $(PKG) $(call binding_says,compile,$<) -MMD -MP -c $< -o $@

.SECONDARY: $(foreach b,$(BINDINGS),$(call binding_obj,$(b)))
.SECONDEXPANSION:
$(BUILD)/bindings/%.so: $$(call binding_obj,$$*)
	$(CC) -shared $(SANITIZE) -o $@ $^ $(call binding_says,link,$(call binding_src,$*))

# The Lua files, embedded: as bytecode, which starts faster, and as source, for another LuaJIT at run time.
LUA_BC := $(LUA_SRC:%.lua=$(BUILD)/%.bc)
module_name = $(subst /,.,$(patsubst %/init,%,$(1:lua/%.lua=%)))

$(BUILD)/precompile: host/tools/precompile.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(WARN) -O1 $(PKG) $< -o $@ $(LIBS)

$(BUILD)/lua/%.bc: lua/%.lua $(BUILD)/precompile
	@mkdir -p $(@D)
	@$(BUILD)/precompile $(call module_name,$<) $< $@

# The list is rewritten only when it changes.
$(BUILD)/embed.S: FORCE
	@mkdir -p $(@D)
	@{ printf '.section .rodata\n'; i=0; \
	  for f in $(LUA_SRC); do n=$${f#lua/}; n=$${n%.lua}; n=$${n%/init}; \
	    printf 'T%d: .incbin "%s"\nE%d: .incbin "%s"\nF%d: .byte 0\nN%d: .asciz "%s"\n' \
	      $$i $$f $$i $(BUILD)/$${f%.lua}.bc $$i $$i $${n//\//.}; i=$$((i+1)); done; \
	  printf '.section .data.rel.ro,"aw"\n.balign 8\n.globl tusk_embedded\n.hidden tusk_embedded\ntusk_embedded:\n'; \
	  for ((j=0; j<i; j++)); do printf '.quad N%d, T%d, E%d - T%d, E%d, F%d - E%d\n' $$j $$j $$j $$j $$j $$j $$j; done; \
	  printf '.quad 0, 0, 0, 0, 0\n.section .note.GNU-stack,"",@progbits\n'; } > $@.$$$$; \
	if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi

$(BUILD)/embed.o: $(BUILD)/embed.S $(LUA_SRC) $(LUA_BC)
	$(CC) -c $< -o $@

$(BUILD)/libtusk.a: $(HOST_OBJ)
	@rm -f $@
	ar rcs $@ $^

# Its own calls stay in it, whatever else the process has loaded.
LINK_LIBRARY = $(CC) -shared $(SANITIZE) -Wl,-Bsymbolic-functions,--version-script=host/libtusk.map

$(BUILD)/libtusk.so.0: $(HOST_OBJ) host/libtusk.map
	$(LINK_LIBRARY) -Wl,-soname,libtusk.so.0 -o $@ $(HOST_OBJ) $(LIBS)

# `require "tusk"` in a program that is LuaJIT's already: without a LuaJIT of its own.
$(BUILD)/tusk.so: $(MODULE_OBJ) $(HOST_OBJ) host/module/module.map
	$(CC) -shared $(SANITIZE) -Wl,-Bsymbolic-functions,--version-script=host/module/module.map -o $@ \
	  $(MODULE_OBJ) $(HOST_OBJ) $(filter-out -lluajit%,$(LIBS))

$(BUILD)/examples/%: $$(wildcard examples/$$*/*.c examples/$$*/*.h) host/tusk.h $(BUILD)/libtusk.so
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(OPT) -g $(SANITIZE) -Ihost \
	  $(if $(call needs,$*),$(shell pkg-config --cflags $(call needs,$*))) $(filter %.c,$^) -o $@ \
	  -L$(BUILD) -Wl,-rpath,'$$ORIGIN/..' -ltusk $(if $(call needs,$*),$(shell pkg-config --libs $(call needs,$*))) -lm

$(BUILD)/libtusk.so: $(BUILD)/libtusk.so.0
	ln -sf $(<F) $@

$(BUILD)/tusk: $(CLI_OBJ) $(BUILD)/libtusk.a
	$(CC) $(SANITIZE) -rdynamic -o $@ $(CLI_OBJ) -Wl,--whole-archive $(BUILD)/libtusk.a -Wl,--no-whole-archive $(LIBS)

# The plugins that come with it are found from the program, wherever BUILD is.
$(BUILD)/share/tusk/plugins:
	@mkdir -p $(@D)
	ln -sfnr plugins $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

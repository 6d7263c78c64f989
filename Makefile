# SPDX-License-Identifier: GPL-2.0
# The front door of nft_offload: `make` builds the module, `make help` lists the rest. What kbuild compiles is in Kbuild.

# The kernel to build against: the test kernel if it has been built, else the running kernel's headers.
KDIR ?= $(shell scripts/kernel.sh path 2>/dev/null || echo /lib/modules/`uname -r`/build)
BUILD := $(CURDIR)/build
TEST ?=
VM ?=
FUZZ_TIME ?= 600
MODEL_STEPS ?= 5000000
SOAK_SECONDS ?= 600
SOAK_SEED ?=
SETUP ?=
PREFIX ?= /usr/local
DESTDIR ?=

# Passed on to kbuild if they are given to make.
KBUILD_VARS := $(foreach v,CLIPPY V W KCFLAGS KRUSTFLAGS INSTALL_MOD_PATH INSTALL_MOD_DIR DEPMOD,$(if $($(v)),$(v)='$($(v))'))

.DEFAULT_GOAL := modules
.PHONY: modules install tools install-tools setup kernel netdevsim uml umltest testbed demo test soak coverage bigendian model fuzz bench shell lint deb rpm apk arch clean distclean help

modules:
	@scripts/module.sh '$(KDIR)' modules $(KBUILD_VARS)

install: modules
	@scripts/module.sh '$(KDIR)' modules_install $(KBUILD_VARS)

# The command line.
tools: setup
	@scripts/tool.sh build

install-tools: setup
	@scripts/tool.sh install '$(DESTDIR)$(PREFIX)'

setup:
	@scripts/setup.sh $(SETUP)

kernel: setup
	@scripts/kernel.sh build

netdevsim:
	@scripts/netdevsim.sh $(BUILD)/netdevsim

# The kernel that runs as a program, at native speed, for what is measured; and what is measured, built for it.
uml: setup
	@scripts/kernel.sh build uml
	@tests/bench/build.sh $(BUILD)/uml

# All that a VM needs, against the test kernel whatever KDIR is.
testbed: kernel
	@scripts/module.sh "$$(scripts/kernel.sh path)" modules $(KBUILD_VARS)
	@scripts/netdevsim.sh $(BUILD)/netdevsim

# The same for the test kernel that runs as a program.
umltest: setup
	@scripts/kernel.sh build umltest
	@NFT_OFFLOAD_BUILD=$(BUILD)/umltest scripts/module.sh "$$(scripts/kernel.sh path umltest)" modules ARCH=um >$(BUILD)/umltest.log 2>&1 \
		|| { tail -n 20 $(BUILD)/umltest.log; exit 1; }
	@scripts/netdevsim.sh $(BUILD)/umltest/netdevsim umltest
	@tests/compare/build.sh $(BUILD)/umltest/compare umltest

demo: testbed
	@scripts/demo.sh

test: SETUP := --tests
test: testbed umltest uml tools
	@tests/compare/build.sh $(BUILD)/compare
	@TEST='$(TEST)' VM='$(VM)' tests/run.sh

# The test soak, for long, in a VM that finds every lost object; a million netlink messages.
soak: SETUP := --tests
soak: testbed umltest
	@VM='$(VM)' tests/soak.sh '$(SOAK_SECONDS)' '$(SOAK_SEED)'

# What needs neither a kernel nor a VM: the pure code, and the engine between stand-ins.
coverage bigendian model fuzz: SETUP := --tests
coverage bigendian model fuzz: setup
	@FUZZ_TIME='$(FUZZ_TIME)' MODEL_STEPS='$(MODEL_STEPS)' tests/host/run.sh $@

bench: uml
	@scripts/netdevsim.sh $(BUILD)/uml/netdevsim uml
	@tests/bench/run.sh

shell: testbed tools
	@scripts/shell.sh

# Packages of the tool, and of the module if KVER= names its kernel (KO=: the file, if it is elsewhere); KEY=, CERT= sign it.
KO ?= $(BUILD)/stock/$(KVER)/module/nft_offload.ko
deb rpm apk: setup
	@KEY='$(KEY)' CERT='$(CERT)' scripts/package.sh $@ $(if $(KVER),'$(KO)' '$(KVER)')
arch: setup
	@KEY='$(KEY)' CERT='$(CERT)' scripts/package.sh archlinux $(if $(KVER),'$(KO)' '$(KVER)')

lint: testbed
	@scripts/lint.sh

clean:
	@rm -rf $(BUILD)

distclean: clean
	@scripts/kernel.sh clean
	@scripts/setup.sh clean

help:
	@echo 'make             build nft_offload.ko in build/module against KDIR= (now: $(KDIR)); CLIPPY=1 also lints it'
	@echo 'make tools       build the command line into build/nft-offload; make install-tools PREFIX=$(PREFIX) DESTDIR= installs it'
	@echo 'make demo        do all the set-up, then show flows moving into the (simulated) hardware, in a VM'
	@echo 'make test        all tests; TEST=name runs one; VM=qemu runs the kselftests in QEMU only'
	@echo 'make soak        churn for SOAK_SECONDS= seconds ($(SOAK_SECONDS)), then nothing may be left, and a million netlink messages; SOAK_SEED= as printed'
	@echo 'make coverage    which lines of the pure code the host tests run'
	@echo 'make bigendian   the host tests as a program of a big-endian machine'
	@echo 'make model       random sequences against the engine, MODEL_STEPS= steps ($(MODEL_STEPS))'
	@echo 'make fuzz        the fuzzer on the pure code, for FUZZ_TIME= seconds ($(FUZZ_TIME))'
	@echo 'make bench       what it costs beside the in-tree type: table and plot in build/bench'
	@echo 'make shell       a shell in the VM with the test bed up'
	@echo 'make deb         packages in build/packages, also rpm, apk, arch; KVER=RELEASE adds the module for that kernel'
	@echo 'make lint        formatting, clippy, checkpatch, shellcheck'
	@echo 'make setup       find or install the tools'
	@echo 'make kernel      fetch and build the test kernel (KERNEL_SRC=DIR: from that source)'
	@echo 'make uml         build the kernel that runs as a program, and the module for it'
	@echo 'make netdevsim   build the simulated NIC for the test kernel'
	@echo 'make install     install the module for KDIR (INSTALL_MOD_PATH= and INSTALL_MOD_DIR= as in the kernel)'
	@echo 'make clean       remove what was built in this clone'
	@echo 'make distclean   also remove the cache (NFT_OFFLOAD_CACHE, or nft-offload in XDG_CACHE_HOME or ~/.cache)'

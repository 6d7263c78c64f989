# SPDX-License-Identifier: GPL-2.0
# The main Makefile of nft_offload: `make` builds the module, `make help` lists the other targets.
# Kbuild lists the files that kbuild compiles.

# The kernel to build for: KVER, a release as uname -r prints it, or KDIR, a kernel build directory.
KVER ?=
KDIR ?=
RUNNING := $(shell uname -r)
STOCK ?= all
BUILD := $(CURDIR)/build
TEST ?=
VM ?=
FUZZ_TIME ?= 600
RULE_SEED ?=
MODEL_STEPS ?= 5000000
SOAK_SECONDS ?= 600
SOAK_SEED ?=
SETUP ?=
PREFIX ?= /usr/local
DESTDIR ?=

# Variables that are passed on to kbuild if they are given to make.
KBUILD_VARS := $(foreach v,CLIPPY V W KCFLAGS KRUSTFLAGS INSTALL_MOD_PATH INSTALL_MOD_DIR DEPMOD,$(if $($(v)),$(v)='$($(v))'))

.DEFAULT_GOAL := modules
.PHONY: modules install tools install-tools uapi setup kernel netdevsim uml umltest testbed demo test test-stock test-dkms test-packages soak coverage bigendian model fuzz bench shell lint unsafe packaged-module deb rpm apk arch clean distclean help pictures

modules:
ifneq ($(KDIR),)
	@scripts/module.sh '$(KDIR)' modules $(KBUILD_VARS)
else
	@scripts/stock.sh module '$(or $(KVER),$(RUNNING))'
endif

install: modules
ifneq ($(KDIR),)
	@scripts/module.sh '$(KDIR)' modules_install $(KBUILD_VARS)
else
	@scripts/stock.sh install '$(or $(KVER),$(RUNNING))' '$(INSTALL_MOD_PATH)'
endif

# The command line tool.
tools: setup
	@scripts/tool.sh build

install-tools: setup
	@scripts/tool.sh install '$(DESTDIR)$(PREFIX)'

# Generates the files with the numbers of the netlink interface from its specification.
uapi: setup
	@scripts/kernel.sh fetch
	@scripts/uapi.sh make "$$(scripts/kernel.sh srcdir)"

setup:
	@scripts/setup.sh $(SETUP)

kernel: setup
	@scripts/kernel.sh build

netdevsim:
	@scripts/netdevsim.sh $(BUILD)/netdevsim

# The kernel for measurements, which runs as a program at native speed, and its modules.
uml: setup
	@scripts/kernel.sh build uml
	@tests/bench/build.sh $(BUILD)/uml uml

# Everything that a VM needs. It is built for the test kernel regardless of KDIR.
testbed: kernel
	@scripts/module.sh "$$(scripts/kernel.sh path)" modules $(KBUILD_VARS)
	@scripts/netdevsim.sh $(BUILD)/netdevsim

# The same for the test kernel that runs as a program (ARCH=um).
umltest: setup
	@mkdir -p $(BUILD)
	@scripts/kernel.sh build umltest
	@NFT_OFFLOAD_BUILD=$(BUILD)/umltest scripts/module.sh "$$(scripts/kernel.sh path umltest)" modules ARCH=um >$(BUILD)/umltest.log 2>&1 \
		|| { tail -n 20 $(BUILD)/umltest.log; exit 1; }
	@scripts/netdevsim.sh $(BUILD)/umltest/netdevsim umltest
	@tests/compare/build.sh $(BUILD)/umltest/compare umltest

# Runs on Debian's newest unmodified image, so that no kernel has to be compiled, or on the kernel
# built from KERNEL_SRC=.
ifeq ($(KERNEL_SRC),)
demo: SETUP := --demo
demo: setup
else
demo: testbed
endif
	@scripts/demo.sh

# Makes the pictures of the README from runs of the demonstration and of nft-offload top.
pictures: SETUP := --tests
pictures: tools
	@scripts/pictures.sh

# Tests the module on unmodified images of Debian: STOCK=7.3, 7.2 or sid selects one of them; turn
# selects one by the number of commits.
test-stock: setup
	@tests/stock.sh '$(STOCK)'

# Builds the module with Debian's dkms, for kernel trees laid out as in several distributions.
test-dkms: setup
	@tests/dkms.sh

# Builds packages twice, then checks, installs, upgrades and removes them. PACKAGES=deb, rpm, apk or
# arch selects one format; turn selects one by the number of commits.
PACKAGES ?= all
test-packages: setup
	@tests/packages.sh '$(PACKAGES)'

test: SETUP := --tests
# The drivers' own code needs one kernel only.
ifeq ($(TEST),drivers)
test: umltest tools
else
test: testbed umltest uml tools
	@tests/compare/build.sh $(BUILD)/compare
endif
	@TEST='$(TEST)' VM='$(VM)' tests/run.sh

# Runs the test soak for a long time in a VM that detects every leaked object, and sends a million
# netlink messages.
soak: SETUP := --tests
soak: testbed umltest
	@VM='$(VM)' tests/soak.sh '$(SOAK_SECONDS)' '$(SOAK_SEED)'

# Tests that need no kernel and no VM: the pure code, and the engine with test doubles.
coverage bigendian model: SETUP := --tests
coverage bigendian model: setup
	@MODEL_STEPS='$(MODEL_STEPS)' tests/host/run.sh $@

# The pure code, then the drivers' own code, with new rules. RULE_SEED= repeats a rule.
fuzz: SETUP := --tests
fuzz: umltest
ifeq ($(RULE_SEED),)
	@FUZZ_TIME='$(FUZZ_TIME)' tests/host/run.sh fuzz
endif
	@FUZZ_TIME='$(FUZZ_TIME)' RULE_SEED='$(RULE_SEED)' tests/drivers/run.sh fuzz

# One measurement needs several processors, and so a VM.
bench: uml kernel
	@scripts/netdevsim.sh $(BUILD)/uml/netdevsim uml
	@tests/bench/build.sh $(BUILD)/smp
	@tests/bench/run.sh

shell: testbed tools
	@scripts/shell.sh

# Builds packages of the tool, of the source for DKMS, and, if KVER= names a kernel, of the module
# for that kernel (KO= names the module's file if it is elsewhere). KEY= and CERT= sign the module.
# The packages name the maintainer MAINTAINER='Name <address>'.
KO ?=
MAINTAINER ?=
PACKAGE = KEY='$(KEY)' CERT='$(CERT)' MAINTAINER='$(MAINTAINER)' scripts/package.sh $(1) \
	$(if $(KVER),'$(or $(KO),$(BUILD)/stock/$(KVER)/module/nft_offload.ko)' '$(KVER)')
packaged-module: setup
	@$(if $(KVER),$(if $(KO),:,scripts/stock.sh module '$(KVER)'),:)
deb rpm apk: packaged-module
	@$(call PACKAGE,$@)
arch: packaged-module
	@$(call PACKAGE,archlinux)

lint: testbed
	@scripts/lint.sh

# Writes docs/unsafe.md, the list of the unsafe code.
unsafe:
	@scripts/unsafe.py --write

clean:
	@rm -rf $(BUILD)

distclean: clean
	@scripts/kernel.sh clean
	@scripts/stock.sh clean
	@scripts/setup.sh clean

help:
	@echo 'make             build nft_offload.ko for the kernel KVER= (default: the running one, $(RUNNING)), into build/stock/KVER/module'
	@echo 'make KDIR=DIR    build it against a kernel build directory, into build/module; CLIPPY=1 also runs clippy'
	@echo 'make tools       build the command line tool as build/nft-offload; make install-tools PREFIX=$(PREFIX) DESTDIR= installs it'
	@echo 'make demo        do all the setup, then show in a VM how flows move into (simulated) hardware'
	@echo 'make test        run all tests; TEST=name runs one; VM=qemu runs the kselftests in QEMU only'
	@echo 'make test-stock  test the module on unmodified images of Debian; STOCK=7.3, 7.2 or sid selects one'
	@echo 'make test-dkms   test the DKMS build in a root of Debian (about 5 minutes)'
	@echo 'make test-packages  build, install, upgrade and remove packages; PACKAGES=deb, rpm, apk or arch selects one format'
	@echo 'make soak        churn for SOAK_SECONDS= seconds ($(SOAK_SECONDS)), check for leftovers, send a million netlink messages; SOAK_SEED= repeats a run'
	@echo 'make coverage    show which lines of the pure code the host tests cover'
	@echo 'make bigendian   run the host tests as a program for a big-endian machine'
	@echo 'make model       run random sequences of MODEL_STEPS= steps ($(MODEL_STEPS)) against the engine'
	@echo 'make fuzz        fuzz the pure code for FUZZ_TIME= seconds ($(FUZZ_TIME)), then give generated rules to the drivers of the kernel for as long; RULE_SEED= repeats a rule'
	@echo 'make bench       measure the costs beside those of the in-tree type (20 minutes): tables and plot in build/bench'
	@echo 'make shell       start a shell in a VM with the test bed set up'
	@echo 'make pictures    make the pictures of the README again, from real runs'
	@echo 'make deb         build packages in build/packages (also: rpm, apk, arch); KVER=RELEASE adds the module for that kernel, KEY= CERT= sign it'
	@echo 'make lint        run the static checks: formatting, clippy, checkpatch, sparse, shellcheck and others'
	@echo 'make unsafe      write docs/unsafe.md, the list of the unsafe code with its reasons'
	@echo 'make uapi        generate the netlink header and constants from docs/netlink/nft_offload.yaml'
	@echo 'make setup       find the tools, and install missing ones'
	@echo 'make kernel      fetch and build the test kernel; KERNEL=7.2 selects that series, KERNEL_SRC=DIR that source'
	@echo 'make uml         build the kernel for measurements, which runs as a program, and its modules'
	@echo 'make netdevsim   build the simulated NIC for the test kernel'
	@echo 'make install     install the module for KVER or KDIR (INSTALL_MOD_PATH= and INSTALL_MOD_DIR= as in the kernel)'
	@echo 'make clean       remove the build output of this clone'
	@echo 'make distclean   also remove the cache (NFT_OFFLOAD_CACHE, or nft-offload in XDG_CACHE_HOME or ~/.cache)'

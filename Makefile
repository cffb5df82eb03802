# SPDX-License-Identifier: MIT OR Apache-2.0
# Short names for what cargo and Meson do; `make help` lists them.

BUILD = build

.PHONY: all deps check test models miri msrv fuzz bench demo header abi api index install packages kernels check-sanitizers stress qemu-check clean help

all: $(BUILD)/build.ninja
	meson compile -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD)

deps:
	scripts/deps.sh

check: deps
	scripts/stages.py check $(BUILD)

test: deps
	scripts/stages.py test $(BUILD)

models:
	scripts/models.sh

miri:
	scripts/miri.sh

msrv:
	scripts/msrv.sh

fuzz:
	scripts/fuzz.sh

stress: all
	scripts/stress.sh $(BUILD)

bench:
	scripts/deps.sh bench
	$(MAKE) all
	scripts/bench.sh $(BUILD)

demo: deps $(BUILD)/build.ninja
	meson compile -C $(BUILD) demo
	scripts/demo.sh $(BUILD)

header:
	scripts/check-header.py --write

api:
	scripts/api.sh

abi:
	CC="$${CC:-cc}" c-tests/package/abi.sh include/uffd-incoming.h c-tests/package/abi --write

index:
	scripts/check-index.py --write

install: all
	meson install -C $(BUILD) --no-rebuild

packages:
	scripts/packages.sh $(BUILD)/packages

kernels: all
	scripts/deps.sh kernels
	scripts/kernels.sh $(BUILD) $(KERNELS)

check-sanitizers: deps
	scripts/check-sanitizers.sh

qemu-check: all
	scripts/qemu-check.sh $(BUILD)

clean:
	rm -rf $(BUILD) build-asan build-tsan fuzz/target
	cargo clean

help:
	@echo 'make            build the libraries, the tests and the demo in $(BUILD)/'
	@echo 'make deps       install what is missing to build and test (apt, as root), fetch the crates'
	@echo 'make check      before a commit, in a minute if all is built: formatting, lints, checks of the sources, unit tests,'
	@echo '                documentation, the C suites once with the shared library'
	@echo 'make test       beside that: models, failing system calls, the C suites with all of their settings, a choice of'
	@echo '                them under sanitizers, and mutations; not fuzz, stress, all of check-sanitizers, qemu-check'
	@echo 'make models     try the logic of pages, pauses and ends in many orders of its threads; ORDERS=how many'
	@echo 'make miri       run under Miri what makes no system call (bitmaps, tables, units, waits); needs a nightly Rust'
	@echo 'make msrv       check the sources with the oldest Rust that Cargo.toml promises; needs rustup'
	@echo 'make fuzz       feed files and sequences of C calls with random bytes; MINUTES=how long each (1);'
	@echo '                needs a nightly Rust, and installs cargo-fuzz if it is missing'
	@echo 'make stress     use the library in every way at once and compare every byte with a model; MINUTES=number,'
	@echo '                SEED=number of one round to replay, ROUNDS=how often'
	@echo 'make bench      deps, then measure the library beside what VMMs do without it; MIB=size of the RAM,'
	@echo '                ROUNDS=number, ONLY=groups'
	@echo 'make demo       deps, then restore a snapshot lazily, and by other ways beside that: one that is made up, of'
	@echo '                SYNTH=size (1G), and a real one; or SNAPSHOT=path of yours; COLD=1 reads from the disk;'
	@echo '                REFERENCE=path of a file to compare with; RECORD=file for the working set, REPLAY=file of an'
	@echo '                earlier one'
	@echo 'make header     bring include/uffd-incoming.h up to date with the Rust sources'
	@echo 'make abi        store the ABI of the header, when it is released'
	@echo 'make api        compare the Rust API with that of the last release; needs a nightly Rust, and installs cargo-public-api'
	@echo '                if it is missing; scripts/api.sh --write stores it'
	@echo 'make index      bring c-tests/INDEX.md up to date, which tells what C tests call a function'
	@echo 'make install    install libraries, header and pkg-config file; DESTDIR=path for a staged install'
	@echo 'make packages   build the Debian packages in $(BUILD)/packages, without a network, and try them; SUITE=trixie: in a new'
	@echo '                system of that release of Debian'
	@echo 'make kernels    run the C tests on other kernels of Debian, x86-64 and aarch64, in guests of QEMU; KERNELS=which, as in'
	@echo '                "bookworm/amd64 trixie/arm64"; SUITES=which; JOBS=how many at once'
	@echo 'make check-sanitizers   the C tests and the demo under AddressSanitizer, UndefinedBehaviorSanitizer and'
	@echo '                (where there is a nightly Rust) ThreadSanitizer'
	@echo 'make qemu-check QEMU_SRC=path QEMU_BUILD=path   QEMU 10.0 or 10.2 on the library, and its own migration tests;'
	@echo '                QEMU_PLAIN=path of an unmodified build to run them on, too; QEMU_STATIC=1 links the archive;'
	@echo '                QEMU_GUEST=directory of contrib/qemu/check/make-guest: real guests, too'
	@echo 'make clean      remove all that was built'

/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A VMM with a limited address space (RLIMIT_AS) and many mappings loads a snapshot, and one allocation after another
 * fails. Each load fails with -ENOMEM (or -EAGAIN, from pthread_create()), pauses, or works. None aborts the process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "ram-contents.h"
#include "scratch.h"
#include "snapshot-file.h"
#include "working-set.h"

#define PAGES 1024
#define MAPPINGS 20000
#define STEP ((rlim_t)1 << 20) /* for each thread that serves faults */
#define STEPS 96

static MigrationIncomingState *vm;
static struct snapshot_file *file;
static char *set;

/* How many bytes of address space there are. */
static rlim_t address_space(void)
{
    FILE *statm = fopen("/proc/self/statm", "r");
    unsigned long pages;

    CHECK(statm != NULL);
    CHECK_EQ(fscanf(statm, "%lu", &pages), 1);
    fclose(statm);
    return pages * HOST_PAGE;
}

static void limit_address_space(rlim_t bytes)
{
    struct rlimit limit;

    CHECK_EQ(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = bytes;
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
}

/* Whether all was loaded. */
static bool load_within(rlim_t limit)
{
    const UffdLoadConfig config = {
        .size = sizeof(config),
        .working_set_record = set,
        .working_set_replay = set,
    };

    limit_address_space(limit);
    const int result = uffd_incoming_load_snapshot(vm, file->snapshot, &config);
    if (result == -ENOMEM || result == -EAGAIN) {
        return false;
    }
    CHECK_EQ(result, 0);
    const int waited = uffd_incoming_wait(vm, -1);
    CHECK(waited == 0 || waited == -ENOMEM);
    CHECK_OK(waited == 0 ? uffd_incoming_cleanup(vm) : uffd_incoming_abort(vm));
    limit_address_space(RLIM_INFINITY);
    if (waited == 0) {
        CHECK_RAM(vm);
    }
    return waited == 0;
}

int main(void)
{
    static const size_t touched[] = { 7, 3 };
    uint8_t *many = mmap(NULL, MAPPINGS * HOST_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (SANITIZED) {
        SKIP("a sanitizer needs the address space for itself");
    }
    vm = vm_with_ram(NULL, PAGES);
    vm->config.log = vm_no_message;
    vm->config.event = NULL; /* there are many */
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    file = snapshot_file_of(vm);
    set = scratch_path("set");
    record_working_set(vm, file->snapshot, set, NULL, touched, 2);
    CHECK(many != MAP_FAILED);
    for (size_t i = 0; i < MAPPINGS; i += 2) {
        CHECK_EQ(mprotect(many + i * HOST_PAGE, HOST_PAGE, PROT_NONE), 0);
    }

    const rlim_t before = address_space(), step = STEP * vm_threads(vm);
    unsigned loaded = 0;
    for (unsigned i = 0; i < STEPS; i++) {
        loaded += load_within(before + i * step);
    }
    CHECK(loaded > 0 && loaded < STEPS);
    limit_address_space(RLIM_INFINITY);

    CHECK_EQ(munmap(many, MAPPINGS * HOST_PAGE), 0);
    vm_end(vm);
    snapshot_file_free(file);
    free(set);
    return 0;
}

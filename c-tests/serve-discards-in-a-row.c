/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Threads discard page after page without pause, and Linux places no page during a discard. A thread that faults
 * still gets its page soon. Discarded pages read as zeros.
 */
#include <sys/mman.h>
#include <time.h>

#include "vm.h"

#define DISCARDERS 3
#define PAGES_EACH 512
#define FAULTS 64
#define MOST_SECONDS (SANITIZED ? 40 : 5) /* it takes a tenth of one */

static atomic_bool stop;
static atomic_uint discarding;

struct discarder {
    pthread_t thread;
    RAMBlock *ram;
    size_t first;
};

static void *discard(void *opaque)
{
    struct discarder *discarder = opaque;
    const RAMBlock *ram = discarder->ram;

    for (size_t i = 0; !stop; i++) {
        CHECK_EQ(madvise(ram_page(ram, discarder->first + i % PAGES_EACH), ram->page_size, MADV_DONTNEED), 0);
        if (i == PAGES_EACH - 1) {
            discarding++;
        }
    }
    return NULL;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static void check(unsigned discarders)
{
    MigrationIncomingState *vm = vm_new();
    struct discarder discarder[DISCARDERS];

    stop = false;
    discarding = 0;
    vm->config.flags |= UFFD_INCOMING_TRACK_DISCARDS;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, FAULTS + DISCARDERS * PAGES_EACH);
    vm_setup(vm);
    for (unsigned i = 0; i < discarders; i++) {
        discarder[i].ram = ram;
        discarder[i].first = FAULTS + i * PAGES_EACH;
        CHECK_EQ(pthread_create(&discarder[i].thread, NULL, discard, &discarder[i]), 0);
    }
    AWAIT(discarding == discarders);
    double start = seconds();
    for (size_t page = 0; page < FAULTS; page++) {
        CHECK_PAGE(ram, page);
    }
    double took = seconds() - start;
    stop = true;
    for (unsigned i = 0; i < discarders; i++) {
        CHECK_EQ(pthread_join(discarder[i].thread, NULL), 0);
        CHECK_ZEROS(ram, discarder[i].first);
        CHECK_ZEROS(ram, discarder[i].first + PAGES_EACH - 1);
    }
    if (took > MOST_SECONDS * check_slowness()) {
        FAIL("%u discarders: %u faults took %.1f s", discarders, FAULTS, took);
    }
    vm_end(vm);
}

int main(void)
{
    for (unsigned discarders = 1; discarders <= DISCARDERS; discarders++) {
        check(discarders);
    }
    return 0;
}

/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A poisoned page that is discarded is missing again, also for a guest with several threads that fault by turns: it is asked
 * for, and poisoned anew, or loaded once the file is whole again. Where discards are tracked, it is zeros.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>

#include "load.h"
#include "sigbus.h"
#include "snapshot-file.h"

#define PAGES 2048
#define CUT_PAGE 1000
#define LOST_PAGE 1024
#define THREADS 4

static RAMBlock *rb;
static atomic_size_t next;

static void discard(size_t first, size_t count)
{
    CHECK_EQ(madvise(ram_page(rb, first), count * rb->page_size, MADV_DONTNEED), 0);
}

static void *fault_by_turns(void *opaque)
{
    size_t page;

    (void)opaque;
    while ((page = next++) < CUT_PAGE) {
        CHECK_EQ(*(volatile uint8_t *)ram_page(rb, page), 0);
    }
    return NULL;
}

/* What has been loaded is discarded, and touched. */
static void gather_crowd(void)
{
    pthread_t threads[THREADS];

    discard(0, CUT_PAGE);
    next = 0;
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, fault_by_turns, NULL), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
}

int main(void)
{
    need_poison();
    MigrationIncomingState *vm = vm_new();

    vm->config.flags |= UFFD_INCOMING_POISON;
    vm_attach(vm);
    rb = vm_add_ram(vm, RAM_ANON, PAGES);
    struct snapshot_file *file = snapshot_file_of(vm);
    const off_t whole = lseek(file->fd, 0, SEEK_END);

    CHECK_EQ(snapshot_page_kind(LOST_PAGE), PAGE_DATA);
    CHECK_EQ(ftruncate(file->fd, file->blocks[0].pages_offset + CUT_PAGE * rb->page_size), 0);
    load(vm, file->snapshot, 0);
    CHECK_ERRNO(uffd_incoming_wait(vm, -1), -EIO);
    for (int round = 0; round < 3; round++) {
        gather_crowd();
        discard(LOST_PAGE, 1);
        if (vm->config.flags & UFFD_INCOMING_TRACK_DISCARDS) {
            CHECK_ZEROS(rb, LOST_PAGE);
        } else {
            CHECK_SIGBUS(rb, LOST_PAGE);
        }
    }
    gather_crowd();
    discard(LOST_PAGE, 1);
    CHECK_EQ(ftruncate(file->fd, whole), 0);
    CHECK(!is_sigbus(ram_page(rb, LOST_PAGE)));
    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}

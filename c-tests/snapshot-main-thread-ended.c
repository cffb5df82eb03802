/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The VMM's main thread has ended, so /proc/self/maps and /proc/self/fd are empty. A load works. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ram-contents.h"
#include "snapshot-file.h"
#include "snapshot-load.h"

/* Whether /proc/self/maps tells nothing any more. */
static bool main_thread_has_ended(void)
{
    const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    char byte;
    const bool has = maps >= 0 && read(maps, &byte, 1) <= 0;

    close(maps);
    return has;
}

static void *go_on(void *opaque)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 64);

    (void)opaque;
    vm_add_ram(vm, RAM_MEMFD_SHARED, 64);
    RAMBlock *private = vm_add_ram(vm, RAM_MEMFD_PRIVATE, 64);
    struct snapshot_file *file = snapshot_file_of(vm);

    AWAIT(main_thread_has_ended());
    /* What RAM is mapped from is known: a file that holds data is refused. */
    CHECK_EQ(pwrite(private->fd, "x", 1, 0), 1);
    CHECK_ERRNO(uffd_incoming_load_snapshot(vm, file->snapshot, NULL), -EINVAL);
    CHECK_ERROR_HAS(private->idstr);
    CHECK_EQ(ftruncate(private->fd, 0), 0);
    CHECK_EQ(ftruncate(private->fd, (off_t)private->length), 0);

    for (unsigned i = 0; i < 2; i++) {
        memset(vm->blocks[i]->host, 0x55, vm->blocks[i]->length);
    }
    load(vm, file->snapshot, 0);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_RAM(vm);
    vm_end(vm);
    snapshot_file_free(file);
    exit(0);
}

int main(void)
{
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, go_on, NULL), 0);
    pthread_exit(NULL);
}

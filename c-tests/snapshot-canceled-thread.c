/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * pthread_cancel() of a thread inside the library, which is the caller's or one of the library's. A call finishes its
 * work, and the cancellation waits until it has returned. The library's threads ignore it.
 */
#include <pthread.h>

#include "ram-contents.h"
#include "snapshot-file.h"

#define PAGES 64

static struct snapshot_file *file;
static atomic_uint canceled;

static void cancel_itself(MigrationIncomingState *vm, const char *name)
{
    (void)vm;
    (void)name;
    CHECK_EQ(pthread_cancel(pthread_self()), 0);
    canceled++;
}

/* Canceled from the beginning: at the first cancellation point it would end. */
static void *use_library(void *opaque)
{
    MigrationIncomingState *vm = opaque;
    const UffdLoadConfig config = { .size = sizeof(config) };

    CHECK_EQ(pthread_cancel(pthread_self()), 0);
    const int loaded = uffd_incoming_load_snapshot(vm, file->snapshot, &config);
    const int waited = uffd_incoming_wait(vm, -1);
    const int cleaned_up = uffd_incoming_cleanup(vm);
    UffdSnapshot *again = uffd_snapshot_open_fd(file->fd, 0);
    uffd_snapshot_close(again);
    /* Messages are written at cancellation points. */
    if (loaded != 0 || waited != 0 || cleaned_up != 0 || again == NULL) {
        return NULL;
    }
    pthread_testcancel();
    FAIL("expected the thread to be canceled once it is out of the library");
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    pthread_t thread;
    void *result;

    vm->config.thread_start = cancel_itself;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, PAGES);
    vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);
    file = snapshot_file_of(vm);

    CHECK_EQ(pthread_create(&thread, NULL, use_library, vm), 0);
    CHECK_EQ(pthread_join(thread, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK(canceled >= 2);
    CHECK_RAM(vm);

    vm_end(vm);
    snapshot_file_free(file);
    return 0;
}

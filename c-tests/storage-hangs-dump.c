/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A load is stuck, since the storage does not answer. A dump says so: which thread waits, for which page and how long; and so
 * do the statistics. It says so in a signal handler, too, and leaves errno and the last error as they are. Once the storage
 * answers, nobody waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ram-contents.h"
#include "snapshot-load.h"
#include "storage.h"

#define PAGES 512
#define HANGING 200

static MigrationIncomingState *dumped;
static int dumped_to;
static volatile sig_atomic_t dump_status, dump_errno;

static void dump_from_signal(int number)
{
    (void)number;
    errno = EXDEV;
    dump_status = uffd_incoming_dump(dumped, dumped_to);
    dump_errno = errno;
}

static const char *dump(MigrationIncomingState *vm, bool from_signal)
{
    static char text[4096];
    const int fd = memfd_create("dump", MFD_CLOEXEC);

    CHECK(fd >= 0);
    dumped = vm;
    dumped_to = fd;
    if (from_signal) {
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(dump_status, 0);
        CHECK_EQ(dump_errno, EXDEV);
    } else {
        CHECK_OK(uffd_incoming_dump(vm, fd));
    }
    const ssize_t length = pread(fd, text, sizeof(text) - 1, 0);
    CHECK(length > 0);
    text[length] = '\0';
    CHECK_EQ(close(fd), 0);
    return text;
}

static void check_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        FAIL("expected a dump with '%s', saw:\n%s", part, text);
    }
}

static void check_stuck(MigrationIncomingState *vm, pid_t thread, bool from_signal)
{
    const char *text = dump(vm, from_signal);
    const char *wait = strstr(text, "  thread ");
    int waits;
    double seconds;
    unsigned long offset;

    check_has(text, "state: armed");
    check_has(text, "threads: 1 of ");
    check_has(text, "512 pages of 4096 bytes");
    check_has(text, "waiting threads: 1\n");
    CHECK(wait != NULL);
    if (sscanf(wait, "  thread %d for %lf s: page at 0x%*x, 'anon.%*d' offset 0x%lx", &waits, &seconds, &offset) != 3) {
        FAIL("expected a thread, how long it waits, and its page; saw: %s", wait);
    }
    CHECK_EQ(waits, thread);
    CHECK(seconds >= 0.05 && seconds < 30);
    CHECK_EQ(offset, HANGING * 4096);
}

static void check_refused(MigrationIncomingState *vm)
{
    int pipes[2];

    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY); /* has words */
    char *words = strdup(uffd_incoming_error());
    CHECK(words != NULL);
    CHECK_EQ(uffd_incoming_dump(vm, -1), -EBADF);
    CHECK_EQ(uffd_incoming_dump(vm, 1 << 20), -EBADF);
    CHECK_EQ(uffd_incoming_dump(NULL, 2), -ENOENT);
    CHECK_EQ(uffd_incoming_dump(vm + 1, 2), -ENOENT);
    CHECK_EQ(pipe2(pipes, O_NONBLOCK | O_CLOEXEC), 0);
    int status;
    while ((status = uffd_incoming_dump(vm, pipes[1])) == 0) {
    }
    CHECK_EQ(status, -EAGAIN);
    CHECK_EQ(close(pipes[0]), 0);
    CHECK_EQ(close(pipes[1]), 0);
    CHECK_EQ(strcmp(uffd_incoming_error(), words), 0);
    free(words);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher hanging;

    CHECK(signal(SIGUSR1, dump_from_signal) != SIG_ERR);
    vm_attach(vm);
    RAMBlock *rb = ram_new_aligned(RAM_ANON, PAGES, true);
    vm_add_block(vm, rb);
    check_has(dump(vm, false), "state: attached");
    struct storage *storage = storage_of(vm, true);

    CHECK_EQ(snapshot_page_kind(HANGING), PAGE_DATA);
    load(vm, storage->file->snapshot, UFFD_LOAD_NO_BACKGROUND);
    check_has(dump(vm, false), "waiting threads: 0\n");
    CHECK_EQ(vm_stats(vm).oldest_wait_ns, 0);
    storage_hangs(storage, HANGING, 1);
    touch_read(&hanging, ram_page(rb, HANGING));
    AWAIT(storage->orders->held > 0);
    CHECK_ERRNO(uffd_incoming_wait(vm, 60), -ETIMEDOUT);

    check_stuck(vm, hanging.tid, false);
    check_stuck(vm, hanging.tid, true);
    CHECK_EQ(vm_stats(vm).threads_waiting, 1);
    CHECK(vm_stats(vm).oldest_wait_ns >= 50000000);
    check_refused(vm);

    storage_heals(storage);
    CHECK_EQ(toucher_finish(&hanging), *ram_source(rb, HANGING));
    AWAIT(vm_stats(vm).threads_waiting == 0);
    check_has(dump(vm, false), "waiting threads: 0\n");
    CHECK_RAM(vm);
    CHECK_OK(uffd_incoming_wait(vm, -1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    check_has(dump(vm, false), "load: 2097152 of 2097152 bytes in place");

    vm_end(vm);
    storage_free(storage);
    return 0;
}

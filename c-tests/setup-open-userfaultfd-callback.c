/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The open_userfaultfd callback is called once for each fault thread. The library uses its descriptor and owns it.
 * The callback need not set O_NONBLOCK.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "vm.h"

#define THREADS 2

static int fds[THREADS], extra_flags;
static unsigned calls;

static int open_userfaultfd(MigrationIncomingState *vm)
{
    int user_mode_only = vm->config.flags & UFFD_INCOMING_USER_MODE_ONLY ? 1 : 0;
    int fd = syscall(SYS_userfaultfd, O_CLOEXEC | extra_flags | user_mode_only);

    CHECK_EQ(gettid(), getpid());
    CHECK(fd >= 0);
    CHECK(calls < THREADS);
    fds[calls++] = fd;
    return fd;
}

static bool is_userfaultfd(int fd)
{
    char path[64], target[64] = "";

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return readlink(path, target, sizeof(target) - 1) > 0 && strcmp(target, "anon_inode:[userfaultfd]") == 0;
}

static unsigned count_userfaultfds(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 256; fd++) {
        count += is_userfaultfd(fd);
    }
    return count;
}

static void check_flags(MigrationIncomingState *vm, int flags)
{
    RAMBlock *ram = vm->blocks[0];

    calls = 0;
    extra_flags = flags;
    vm_setup(vm);
    CHECK_EQ(calls, THREADS);
    /* To track discards, the library opens one more by itself. */
    CHECK_EQ(count_userfaultfds(), THREADS + (vm->config.flags & UFFD_INCOMING_TRACK_DISCARDS ? 1 : 0));
    for (unsigned i = 0; i < THREADS; i++) {
        CHECK(is_userfaultfd(fds[i]));
    }
    for (size_t page = 0; page < ram->pages; page++) {
        CHECK_PAGE(ram, page);
    }
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK_EQ(count_userfaultfds(), 0);
    ram_discard(ram, 0, ram->pages);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.open_userfaultfd = open_userfaultfd;
    vm->config.fault_threads = THREADS;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, 8);
    check_flags(vm, O_NONBLOCK);
    check_flags(vm, 0);
    vm_end(vm);
    return 0;
}

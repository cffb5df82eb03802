/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A signal handler dumps the state while the thread that it interrupts is anywhere in the library, and holds locks maybe. The dump
 * waits for none of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>

#include "vm.h"

#define ROUNDS 60

static MigrationIncomingState *vm;
static int null_fd;
static volatile sig_atomic_t dumps, others;

static void dump(int number)
{
    const int status = uffd_incoming_dump(vm, null_fd);

    (void)number;
    dumps++;
    others += status != 0 && status != -ENOENT && status != -EBUSY;
}

int main(void)
{
    const struct itimerval often = { .it_interval.tv_usec = 100, .it_value.tv_usec = 100 }, never = { 0 };

    null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK(null_fd >= 0);
    vm = vm_with_ram(NULL, 64);
    CHECK(signal(SIGALRM, dump) != SIG_ERR);
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        vm_setup(vm);
        for (size_t page = 0; page < 64; page++) {
            vm_place(vm, vm->blocks[0], page);
            vm_stats(vm);
        }
        CHECK_OK(uffd_incoming_pause(vm));
        CHECK_OK(uffd_incoming_resume(vm));
        CHECK_OK(uffd_incoming_cleanup(vm));
        ram_discard(vm->blocks[0], 0, 64);
        vm->event_count = 0;
    }
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    CHECK_EQ(others, 0);
    CHECK(dumps > ROUNDS);
    vm_end(vm);
    return 0;
}

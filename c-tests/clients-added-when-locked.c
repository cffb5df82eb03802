/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A client is added while the fault thread sleeps, again and again, and is served each time: also if all memory of the
 * process is locked (mlockall), the library's own included, before or after setup.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "client.h"
#include "ram-contents.h"

enum { ROUNDS = 16 };

static size_t next;

static void check_served(struct client *client, RAMBlock *own)
{
    for (int round = 0; round < ROUNDS; round++) {
        /* The fault thread has served a fault of its own, and waits for the next one. */
        CHECK_PAGE(own, next);
        client_add(client);
        CLIENT_TOUCH(client, next);
        CLIENT_SEES_PAGE(client, next);
        client_remove(client);
        next++;
    }
}

/* Not mlockall(): under a sanitizer that does nothing. */
static void lock_all(int flags)
{
    CHECK_EQ(syscall(SYS_mlockall, flags), 0);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    vm_attach(vm);
    RAMBlock *shared = vm_add_ram(vm, RAM_MEMFD_SHARED, 3 * ROUNDS);
    RAMBlock *own = vm_add_ram(vm, RAM_ANON, 3 * ROUNDS);
    struct client *client = client_new(vm, shared);

    vm_setup(vm);
    check_served(client, own);
    CHECK_OK(uffd_incoming_cleanup(vm));

    lock_all(MCL_FUTURE);
    vm_setup(vm);
    check_served(client, own);
    /* Brings all that is missing. */
    lock_all(MCL_CURRENT);
    for (size_t page = next; page < own->pages; page++) {
        CHECK(is_present(own, page));
    }
    /* It wakes the fault thread, or would wait for it for ever. */
    vm_end(vm);
    client_end(client);
    return 0;
}

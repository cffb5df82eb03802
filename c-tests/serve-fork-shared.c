/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A forked child has shared RAM without its registration: a missing page that it touches becomes zeros for good, also
 * for the VM. With MADV_DONTFORK the child has no RAM, and every page arrives.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "vm.h"

#define PAGES 16

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    int status;

    vm_attach(vm);
    RAMBlock *rb = vm_add_ram(vm, RAM_MEMFD_SHARED, PAGES);
    CHECK_EQ(madvise(rb->host, rb->length, MADV_DONTFORK), 0);
    vm_setup(vm);
    CHECK_PAGE(rb, 0);

    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        alarm(20);
        _exit(*(volatile uint8_t *)ram_page(rb, 1));
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) || SANITIZED);
    for (size_t page = 0; page < PAGES; page++) {
        CHECK_PAGE(rb, page);
    }
    CHECK_EQ(vm->handled, PAGES);
    vm_end(vm);
    return 0;
}

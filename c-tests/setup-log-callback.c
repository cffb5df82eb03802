/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* If a handler fails, the log callback gets an error message that names the block. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vm.h"

static atomic_bool fail = true;
static atomic_uint named;

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    return fail ? -EIO : vm_serve_page(vm, rb, offset, fault_address);
}

static void record(MigrationIncomingState *vm, int level, const char *message)
{
    CHECK(level >= UFFD_INCOMING_LOG_ERROR && level <= UFFD_INCOMING_LOG_INFO);
    CHECK(message[0] != '\0');
    CHECK(strchr(message, '\n') == NULL);
    if (level == UFFD_INCOMING_LOG_ERROR && strstr(message, vm->blocks[0]->idstr) != NULL) {
        named++;
    }
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm->config.page_handler = serve;
    vm->config.log = record;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 1);
    vm_setup(vm);
    touch_read(&toucher, ram->host);
    AWAIT(named > 0);
    fail = false;
    AWAIT(vm_stats(vm).paused);
    CHECK_OK(uffd_incoming_resume(vm));
    toucher_finish(&toucher);
    CHECK_PAGE(ram, 0);
    vm_end(vm);
    return 0;
}

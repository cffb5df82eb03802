/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * postcopy_ram_incoming_setup() allocates one channel, or two with the preempt thread, and installs the handler of
 * the configuration.
 */
#include <semaphore.h>

#include "vm.h"

static sem_t quit;

static void preempt_run(MigrationIncomingState *vm)
{
    (void)vm;
    sem_wait(&quit);
}

static void preempt_quit(MigrationIncomingState *vm)
{
    (void)vm;
    sem_post(&quit);
}

static void check_channels(MigrationIncomingState *vm, unsigned channels)
{
    CHECK_OK(postcopy_ram_incoming_setup(vm));
    CHECK(uffd_incoming_temp_page(vm, channels - 1) != NULL);
    CHECK(uffd_incoming_temp_page(vm, channels) == NULL);
    CHECK_PAGE(vm->blocks[0], channels);
    CHECK_OK(uffd_incoming_cleanup(vm));
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(NULL, 3);

    check_channels(vm, 1);
    sem_init(&quit, 0, 0);
    vm->config.flags |= UFFD_INCOMING_PREEMPT;
    vm->config.preempt_run = preempt_run;
    vm->config.preempt_quit = preempt_quit;
    CHECK_OK(uffd_incoming_configure(vm, &vm->config));
    check_channels(vm, 2);
    CHECK_EQ(vm->handled, 2);
    vm_end(vm);
    return 0;
}

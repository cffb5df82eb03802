/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The preempt thread starts after setup_done, and ends before cleanup returns. */
#include <errno.h>
#include <semaphore.h>

#include "vm.h"

static atomic_bool set_up, running, returned;
static sem_t quit;

static int setup_done(MigrationIncomingState *vm)
{
    (void)vm;
    let_wrong_things_happen();
    CHECK(!running);
    set_up = true;
    return 0;
}

static void preempt_run(MigrationIncomingState *vm)
{
    CHECK(set_up);
    CHECK(uffd_incoming_temp_page(vm, 0) != NULL);
    CHECK(uffd_incoming_temp_page(vm, 1) != NULL);
    CHECK(uffd_incoming_temp_page(vm, 2) == NULL);
    running = true;
    sem_wait(&quit);
    let_wrong_things_happen();
    returned = true;
}

static void preempt_quit(MigrationIncomingState *vm)
{
    (void)vm;
    CHECK(running);
    sem_post(&quit);
}

int main(void)
{
    MigrationIncomingState *vm = vm_new();

    sem_init(&quit, 0, 0);
    vm->config.flags |= UFFD_INCOMING_PREEMPT;
    vm->config.setup_done = setup_done;
    vm->config.preempt_run = preempt_run;
    vm->config.preempt_quit = preempt_quit;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 1);
    CHECK_OK(postcopy_ram_incoming_setup(vm));
    AWAIT(running);
    CHECK_PAGE(ram, 0);
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK(returned);

    /* Without postcopy_ram_incoming_setup() there is none. */
    running = false;
    vm_setup(vm);
    let_wrong_things_happen();
    CHECK(!running);
    CHECK(uffd_incoming_temp_page(vm, 1) == NULL);
    vm_end(vm);
    return 0;
}

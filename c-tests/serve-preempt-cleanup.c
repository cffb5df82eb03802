/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * With a preempt thread, cleanup first waits for the urgent pages that were requested. It is refused without a wait
 * during a pause, or after the preempt thread has ended. Abort does not wait for them, and ends the wait of a
 * cleanup.
 */
#include <errno.h>
#include <semaphore.h>

#include "vm.h"

static sem_t wake;
static atomic_bool place_now, quit_now, ended, done_now, done;

static void preempt_run(MigrationIncomingState *vm)
{
    while (!quit_now && !done_now) {
        sem_wait(&wake);
        if (place_now) {
            CHECK(!quit_now);
            vm_place(vm, vm->blocks[0], 1);
            place_now = false;
        }
    }
    done = true;
}

static void preempt_quit(MigrationIncomingState *vm)
{
    (void)vm;
    quit_now = true;
    sem_post(&wake);
}

static void *cleanup(void *vm)
{
    CHECK_OK(uffd_incoming_cleanup(vm));
    ended = true;
    return NULL;
}

/* A thread waits for a page that was asked for. */
static MigrationIncomingState *start(struct toucher *toucher)
{
    MigrationIncomingState *vm = vm_new();

    place_now = quit_now = ended = done_now = done = false;
    vm->config.flags |= UFFD_INCOMING_PREEMPT;
    vm->config.preempt_run = preempt_run;
    vm->config.preempt_quit = preempt_quit;
    vm->config.page_handler = vm_serve_later;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 2);
    CHECK_OK(postcopy_ram_incoming_setup(vm));
    touch_read(toucher, ram_page(ram, 1));
    AWAIT(vm->handled == 1);
    return vm;
}

static void check_arrives(void)
{
    struct toucher toucher;
    MigrationIncomingState *vm = start(&toucher);
    pthread_t cleaner;

    CHECK_EQ(pthread_create(&cleaner, NULL, cleanup, vm), 0);
    CHECK_WAITS(&toucher);
    CHECK(!quit_now && !ended);
    place_now = true;
    sem_post(&wake);
    CHECK_EQ(toucher_finish(&toucher), *ram_source(vm->blocks[0], 1));
    CHECK_EQ(pthread_join(cleaner, NULL), 0);
    CHECK(quit_now);
    vm_end(vm);
}

typedef int mis_call(MigrationIncomingState *vm);

static void check_does_not_wait(mis_call *prepare, mis_call *end)
{
    struct toucher toucher;
    MigrationIncomingState *vm = start(&toucher);

    if (prepare != NULL) {
        CHECK_OK(prepare(vm));
    }
    CHECK_OK(end(vm));
    CHECK(quit_now);
    CHECK_EQ(toucher_finish(&toucher), 0);
    vm_end(vm);
}

/* Cleanup is refused at once: the page that a thread waits for does not become zeros. */
static void check_refuses(mis_call *prepare)
{
    struct toucher toucher;
    MigrationIncomingState *vm = start(&toucher);

    CHECK_OK(prepare(vm));
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);
    CHECK(!quit_now);
    CHECK_WAITS(&toucher);
    vm_place(vm, vm->blocks[0], 1);
    CHECK_EQ(toucher_finish(&toucher), *ram_source(vm->blocks[0], 1));
    CHECK_OK(uffd_incoming_cleanup(vm));
    CHECK(quit_now);
    vm_end(vm);
}

static int end_preempt_thread(MigrationIncomingState *vm)
{
    (void)vm;
    done_now = true;
    sem_post(&wake);
    AWAIT(done);
    /* It is about to return. */
    let_wrong_things_happen();
    return 0;
}

static void check_abort_ends_the_wait(void)
{
    struct toucher toucher;
    MigrationIncomingState *vm = start(&toucher);
    pthread_t cleaner;

    CHECK_EQ(pthread_create(&cleaner, NULL, cleanup, vm), 0);
    CHECK_WAITS(&toucher);
    CHECK(!ended);
    CHECK_OK(uffd_incoming_abort(vm));
    CHECK_EQ(vm_stats(vm).fault_threads, 0);
    CHECK_EQ(pthread_join(cleaner, NULL), 0);
    CHECK_EQ(toucher_finish(&toucher), 0);
    vm_end(vm);
}

int main(void)
{
    sem_init(&wake, 0, 0);
    check_arrives();
    check_abort_ends_the_wait();
    check_refuses(uffd_incoming_pause);
    check_refuses(end_preempt_thread);
    check_does_not_wait(NULL, uffd_incoming_abort);
    check_does_not_wait(uffd_incoming_pause, uffd_incoming_abort);
    return 0;
}

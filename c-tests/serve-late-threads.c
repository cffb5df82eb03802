/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Each thread of the library starts late, as on a busy machine. A setup returns only when all of them run. If the
 * preempt thread had no time to place a requested page, cleanup does not turn the page into zeros.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#include "vm.h"

#define LATE_US 100000

static atomic_bool late;
static atomic_uint running;
static atomic_bool quit, returned;

struct start {
    void *(*body)(void *);
    void *argument;
};

static void *start_late(void *opaque)
{
    struct start start = *(struct start *)opaque;

    free(opaque);
    usleep(LATE_US);
    return start.body(start.argument);
}

/* In place of the C library's, for the library under test, too. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    if (!late) {
        return create(thread, attributes, body, argument);
    }
    struct start *start = malloc(sizeof(*start));
    *start = (struct start){ body, argument };
    return create(thread, attributes, start_late, start);
}

static void thread_start(MigrationIncomingState *vm, const char *name)
{
    (void)vm;
    (void)name;
    running++;
}

/* Brings what has been asked for until it is told to quit, and does not look whether there is anything before. */
static void preempt_run(MigrationIncomingState *vm)
{
    while (!quit) {
        if (vm->handled > 0 && vm_received(vm, vm->blocks[0], 1) == 0) {
            vm_place(vm, vm->blocks[0], 1);
        }
        usleep(1000);
    }
    returned = true;
}

static void preempt_quit(MigrationIncomingState *vm)
{
    (void)vm;
    quit = true;
}

static MigrationIncomingState *start(void)
{
    MigrationIncomingState *vm = vm_new();

    running = 0;
    quit = returned = false;
    vm->config.flags |= UFFD_INCOMING_PREEMPT;
    vm->config.preempt_run = preempt_run;
    vm->config.preempt_quit = preempt_quit;
    vm->config.page_handler = vm_serve_later;
    vm->config.thread_start = thread_start;
    vm_attach(vm);
    vm_add_ram(vm, RAM_ANON, 2);
    late = true;
    CHECK_OK(postcopy_ram_incoming_setup(vm));
    late = false;
    return vm;
}

static void check_all_run(void)
{
    MigrationIncomingState *vm = start();

    CHECK_EQ(running, vm_threads(vm) + 1);
    vm_end(vm);
    CHECK(returned);
}

/* Its end was announced before it had looked for the first time. */
static void check_no_zeros(void)
{
    MigrationIncomingState *vm = start();
    RAMBlock *ram = vm->blocks[0];
    struct toucher toucher;

    quit = true;
    AWAIT(returned);
    touch_read(&toucher, ram_page(ram, 1));
    AWAIT(vm->handled == 1);
    /* It may take it a moment to be done. */
    let_wrong_things_happen();
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -EBUSY);
    CHECK_WAITS(&toucher);
    vm_place(vm, ram, 1);
    CHECK_EQ(toucher_finish(&toucher), *ram_source(ram, 1));
    vm_end(vm);
}

int main(void)
{
    check_all_run();
    check_no_zeros();
    return 0;
}

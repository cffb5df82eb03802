/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Every return value of the handler but 0 is a failure. The message contains the number; a number that is not an
 * errno value is reported as -EIO. The library pauses, or poisons the page.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "sigbus.h"
#include "vm.h"

static const struct {
    int returned;
    int reported;
    const char *words;
} garbage[] = {
    { 1, -EIO, "failed with 1," },
    { EIO, -EIO, "failed with 5," },
    { INT_MAX, -EIO, "failed with 2147483647," },
    { INT_MIN, -EIO, "failed with -2147483648," },
    { INT_MIN + 1, -EIO, "failed with -2147483647," },
    { -4096, -EIO, "failed with -4096," },
    { -4095, -4095, "errno 4095" },
    { -512, -512, "errno 512" },
    { -1, -EPERM, "EPERM" },
    { -EEXIST, -EEXIST, "EEXIST" },
    { -EAGAIN, -EAGAIN, "EAGAIN" },
    { -EINTR, -EINTR, "EINTR" },
};

#define COUNT (sizeof(garbage) / sizeof(garbage[0]))

static atomic_bool comes_to_its_senses;
static size_t first; /* which of them page 0 gets */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char messages[8192];

static int serve(MigrationIncomingState *vm, RAMBlock *rb, ram_addr_t offset, void *fault_address)
{
    size_t which = first + offset / rb->page_size;

    return which < COUNT && !comes_to_its_senses ? garbage[which].returned
                                                 : vm_serve_page(vm, rb, offset, fault_address);
}

static void keep_message(MigrationIncomingState *vm, int level, const char *message)
{
    (void)vm;
    CHECK_EQ(level, UFFD_INCOMING_LOG_ERROR);
    pthread_mutex_lock(&lock);
    size_t length = strlen(messages);
    snprintf(messages + length, sizeof(messages) - length, "%s\n", message);
    pthread_mutex_unlock(&lock);
}

static bool has_message(const char *words)
{
    pthread_mutex_lock(&lock);
    const bool found = strstr(messages, words) != NULL;
    pthread_mutex_unlock(&lock);
    return found;
}

static void check_pauses(size_t which)
{
    const int reported = garbage[which].reported;
    MigrationIncomingState *vm = vm_new();
    struct toucher toucher;

    vm->config.log = keep_message;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, 1);
    first = which;
    comes_to_its_senses = false;
    messages[0] = '\0';
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    touch_read(&toucher, ram->host);
    AWAIT(vm_events(vm, UFFD_INCOMING_EVENT_PAUSED, reported) == 1);
    CHECK_EQ(vm_events(vm, UFFD_INCOMING_EVENT_SOURCE_ERROR, reported), 1);
    AWAIT(has_message(garbage[which].words)); /* a poisoned page can be touched before it is told */
    comes_to_its_senses = true;
    CHECK_OK(uffd_incoming_resume(vm));
    CHECK_EQ(toucher_finish(&toucher), *ram->source);
    CHECK_EQ(vm_stats(vm).source_errors, 1);
    vm_end(vm);
}

static void check_poisons(void)
{
    MigrationIncomingState *vm = vm_new();

    vm->config.flags |= UFFD_INCOMING_POISON;
    vm->config.log = keep_message;
    vm_attach(vm);
    RAMBlock *ram = vm_add_ram(vm, RAM_ANON, COUNT + 2);
    first = 0;
    comes_to_its_senses = false;
    messages[0] = '\0';
    CHECK_OK(uffd_setup_incoming(vm, serve, 1));
    for (size_t page = 0; page < COUNT; page++) {
        CHECK_SIGBUS(ram, page);
        AWAIT(vm_stats(vm).pages_poisoned == page + 1);
        AWAIT(has_message(garbage[page].words)); /* a poisoned page can be touched before it is told */
        AWAIT(vm->event_count == page + 1);
        CHECK_EQ(vm->events[page].what, UFFD_INCOMING_EVENT_SOURCE_ERROR);
        CHECK_EQ(vm->events[page].error, garbage[page].reported);
    }
    CHECK_PAGE(ram, COUNT);
    CHECK_PAGE(ram, COUNT + 1);
    CHECK_EQ(vm_stats(vm).paused, 0);
    vm_end(vm);
}

int main(void)
{
    for (size_t which = 0; which < COUNT; which++) {
        check_pauses(which);
    }
    need_poison();
    check_poisons();
    return 0;
}

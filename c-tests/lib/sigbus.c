/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "sigbus.h"

#include <setjmp.h>
#include <signal.h>

#define UFFD_FEATURE_POISON_BIT (1ULL << 14) /* Linux 6.6 */

static _Thread_local sigjmp_buf back;
static _Thread_local volatile uintptr_t seen;
static _Thread_local volatile bool expecting;

static void on_sigbus(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    seen = (uintptr_t)info->si_addr;
    if (!expecting) {
        FAIL("expected no SIGBUS, saw one at %p", info->si_addr);
    }
    siglongjmp(back, 1);
}

bool is_sigbus(const void *address)
{
    struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

    CHECK_EQ(sigaction(SIGBUS, &action, NULL), 0);
    expecting = true;
    const bool first = sigsetjmp(back, 1) == 0;
    if (first) {
        (void)*(volatile const uint8_t *)address;
    }
    expecting = false;
    CHECK(first || seen == (uintptr_t)address);
    return !first;
}

static void *touch(void *opaque)
{
    struct sigbus_toucher *toucher = opaque;

    toucher->sigbus = is_sigbus(toucher->address);
    return NULL;
}

void sigbus_touch(struct sigbus_toucher *toucher, const void *address)
{
    toucher->address = address;
    CHECK_EQ(pthread_create(&toucher->thread, NULL, touch, toucher), 0);
}

bool sigbus_finish(struct sigbus_toucher *toucher)
{
    CHECK_EQ(pthread_join(toucher->thread, NULL), 0);
    return toucher->sigbus;
}

void check_sigbus(const char *where, const RAMBlock *rb, size_t page)
{
    const uint8_t *first = ram_page(rb, page);

    if (!is_sigbus(first) || !is_sigbus(first + rb->page_size - 1)) {
        check_fail(where, "block %s: page %zu is not SIGBUS", rb->idstr, page);
    }
}

void need_poison(void)
{
    UffdIncomingHost host = { .size = sizeof(host) };

    CHECK_OK(uffd_incoming_probe(&host));
    if (!(host.features & UFFD_FEATURE_POISON_BIT)) {
        SKIP("this kernel has no UFFDIO_POISON (Linux 6.6)");
    }
}

/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "failing-setup.h"

#include <errno.h>

#include "resources.h"

struct attempt {
    MigrationIncomingState *vm;
    const struct failing_setup *how;
};

static void *warm_up(void *opaque)
{
    const struct attempt *attempt = opaque;

    CHECK_OK(attempt->how->setup(attempt->vm));
    CHECK_OK(uffd_incoming_cleanup(attempt->vm));
    return NULL;
}

static void *fail(void *opaque)
{
    const struct attempt *attempt = opaque;
    const struct failing_setup *how = attempt->how;

    if (how->prepare != NULL) {
        how->prepare();
    }
    CHECK_ERRNO(how->setup(attempt->vm), how->error);
    for (const char *const *words = how->words; *words != NULL; words++) {
        CHECK_ERROR_HAS(*words);
    }
    return NULL;
}

/*
 * What is refused is refused to one thread: so it ends with the thread, and does not hinder the next set-up.
 */
static void on_a_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, body, argument), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

void check_failing_setup(MigrationIncomingState *vm, const struct failing_setup *how)
{
    struct attempt attempt = { .vm = vm, .how = how };

    on_a_thread(warm_up, &attempt);
    on_a_thread(warm_up, &attempt);
    struct resources before = resources_count(vm);

    on_a_thread(fail, &attempt);
    CHECK_RESOURCES(vm, before);
    for (unsigned i = 0; i < vm->block_count; i++) {
        CHECK_ZEROS(vm->blocks[i], 0);
        CHECK_ZEROS(vm->blocks[i], vm->blocks[i]->pages - 1);
        ram_discard(vm->blocks[i], 0, vm->blocks[i]->pages);
    }
    CHECK_EQ(vm_stats(vm).fault_threads, 0);
    CHECK_ERRNO(uffd_incoming_pause(vm), -EINVAL);

    CHECK_OK(how->setup(vm));
    for (unsigned i = 0; i < vm->block_count; i++) {
        CHECK_PAGE(vm->blocks[i], 0);
    }
    CHECK_OK(uffd_incoming_cleanup(vm));
}

int setup_incoming(MigrationIncomingState *vm)
{
    return uffd_setup_incoming(vm, vm->config.page_handler, 1);
}

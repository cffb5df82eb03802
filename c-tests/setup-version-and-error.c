/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The version has three numbers. The last error is per thread: empty at first, and kept until the next failure. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vm.h"

static void *fresh_thread(void *opaque)
{
    (void)opaque;
    CHECK(uffd_incoming_error() != NULL);
    CHECK_EQ(strlen(uffd_incoming_error()), 0);
    CHECK_ERRNO(uffd_incoming_cleanup(NULL), -EINVAL);
    return NULL;
}

int main(void)
{
    unsigned major, minor, patch;
    char rest, first[256];
    pthread_t thread;
    MigrationIncomingState *vm = vm_new();

    CHECK(uffd_incoming_version() != NULL);
    CHECK_EQ(sscanf(uffd_incoming_version(), "%u.%u.%u%c", &major, &minor, &patch, &rest), 3);

    CHECK_EQ(strlen(uffd_incoming_error()), 0);
    CHECK_ERRNO(uffd_incoming_cleanup(vm), -ENOENT);
    snprintf(first, sizeof(first), "%s", uffd_incoming_error());

    CHECK_EQ(pthread_create(&thread, NULL, fresh_thread, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    vm_attach(vm);
    if (strcmp(uffd_incoming_error(), first) != 0) {
        FAIL("expected the error to stay '%s', saw '%s'", first, uffd_incoming_error());
    }
    CHECK_ERRNO(uffd_incoming_attach(vm, NULL), -EBUSY);
    if (strcmp(uffd_incoming_error(), first) == 0) {
        FAIL("expected words about the double attach, saw those of before: '%s'", first);
    }
    vm_end(vm);
    return 0;
}

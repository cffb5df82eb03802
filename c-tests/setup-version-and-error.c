/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The version has three numbers. The last error is per thread: empty at first, always at one place, kept until the next failure,
 * and cut off if it is very long.
 */
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

    const char *error = uffd_incoming_error();
    char path[4002];
    for (size_t i = 0; i < sizeof(path) - 2; i += 2) {
        memcpy(path + i, "\u00e9", 2);
    }
    for (size_t shorter = 0; shorter < 2; shorter++) {
        path[sizeof(path) - 2 - 2 * shorter] = '\0';
        path[0] = 'a'; /* so that a character may lie across the end */
        path[1] = shorter ? 'b' : 'a';
        CHECK(uffd_snapshot_open(path) == NULL);
        CHECK_EQ(errno, ENAMETOOLONG);
        CHECK_EQ(uffd_incoming_error(), error);
        CHECK(strlen(error) > 2040 && strlen(error) < 2048);
        CHECK_EQ(strcmp(error + strlen(error) - 5, "\u00e9..."), 0);
    }
    return 0;
}

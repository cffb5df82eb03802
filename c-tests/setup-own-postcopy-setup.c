/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A QEMU that has a postcopy_ram_incoming_setup() of its own, with other parameters: it leaves the library's out of the
 * header, links with both, and calls the library by its other name.
 */
#define UFFD_INCOMING_NO_POSTCOPY_SETUP
#include "vm.h"

typedef struct Error {
    int line;
} Error;

static int calls;

/* As QEMU after 11.1 has it. */
int postcopy_ram_incoming_setup(MigrationIncomingState *mis, Error **errp);

int postcopy_ram_incoming_setup(MigrationIncomingState *mis, Error **errp)
{
    static Error failed = { __LINE__ };

    calls++;
    if (uffd_incoming_postcopy_setup(mis)) {
        *errp = &failed;
        return -1;
    }
    return 0;
}

int main(void)
{
    MigrationIncomingState *vm = vm_with_ram(vm_serve_page, 4);
    Error *error = NULL;

    CHECK_OK(postcopy_ram_incoming_setup(vm, &error));
    CHECK_EQ(calls, 1);
    CHECK(error == NULL);
    CHECK_PAGE(vm->blocks[0], 3);
    CHECK_EQ(vm->handled, 1);

    CHECK_EQ(postcopy_ram_incoming_setup(vm, &error), -1);
    CHECK(error != NULL);
    CHECK_ERROR_HAS("armed");
    CHECK_EQ(calls, 2);
    vm_end(vm);
    return 0;
}

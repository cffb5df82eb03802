/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The smallest program that uses the library: asks what the host can do, and prints the library's version. */
#include <stdio.h>

#include <uffd-incoming.h>

int main(void)
{
    struct UffdIncomingHost host = { .size = sizeof(host) };

    if (uffd_incoming_probe(&host) != 0) {
        fprintf(stderr, "uffd_incoming_probe: expected 0, seen: %s\n", uffd_incoming_error());
        return 1;
    }
    puts(uffd_incoming_version());
    return 0;
}

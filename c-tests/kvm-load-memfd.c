/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A guest of KVM walks its memfd RAM, shared and private, while it is loaded: every page is right when a vCPU first sees it. */
#include "kvm-walk-load.h"

int main(void)
{
    check_walk_load(RAM_MEMFD_SHARED, 1024);
    check_walk_load(RAM_MEMFD_PRIVATE, 1024);
    return 0;
}

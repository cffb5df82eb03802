/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * A KVM guest reads its memfd RAM, shared and private, during a load. Every page is right when a vCPU first sees it.
 */
#include "kvm-walk-load.h"

int main(void)
{
    check_walk_load(RAM_MEMFD_SHARED, 1024);
    check_walk_load(RAM_MEMFD_PRIVATE, 1024);
    return 0;
}

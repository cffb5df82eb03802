/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A KVM guest reads its private anonymous RAM during a load. Every page is right when a vCPU first sees it. */
#include "kvm-walk-load.h"

int main(void)
{
    check_walk_load(RAM_ANON, 2048);
    return 0;
}

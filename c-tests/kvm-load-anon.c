/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A guest of KVM walks its private anonymous RAM while it is loaded: every page is right when a vCPU first sees it. */
#include "kvm-walk-load.h"

int main(void)
{
    check_walk_load(RAM_ANON, 2048);
    return 0;
}

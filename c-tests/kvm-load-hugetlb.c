/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A KVM guest reads its RAM of huge pages during a load. Every page is right when a vCPU first sees it. */
#include "kvm-walk-load.h"

int main(void)
{
    check_walk_load(RAM_HUGETLB_SHARED, 4);
    check_walk_load(RAM_HUGETLB_PRIVATE, 4);
    return 0;
}

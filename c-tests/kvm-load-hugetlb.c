/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A guest of KVM walks its RAM of huge pages while it is loaded: every page is right when a vCPU first sees it. */
#include "kvm-walk-load.h"

int main(void)
{
    check_walk_load(RAM_HUGETLB_SHARED, 4);
    check_walk_load(RAM_HUGETLB_PRIVATE, 4);
    return 0;
}

/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The real snapshot is loaded into RAM_MEMFD_SHARED: every byte of every block is right. */
#include "real-snapshot.h"

int main(void)
{
    check_real_load(RAM_MEMFD_SHARED);
    return 0;
}

/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The real snapshot is loaded into RAM_ANON: every byte of every block is right. */
#include "real-snapshot.h"

int main(void)
{
    check_real_load(RAM_ANON);
    return 0;
}

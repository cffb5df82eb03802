/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The same with several fault threads, of which the first one serves the other process. */
#include "both-touch.h"

int main(void)
{
    check_both_touch(RAM_MEMFD_SHARED, 4096, 4);
    return 0;
}

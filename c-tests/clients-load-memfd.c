/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Only a client touches RAM of a memfd during a load without a background loader. */
#include "client-load.h"

int main(void)
{
    check_client_load(RAM_MEMFD_SHARED, 1024);
    return 0;
}

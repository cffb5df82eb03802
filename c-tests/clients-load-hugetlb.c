/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Only a client touches RAM of huge pages during a load without a background loader. */
#include "client-load.h"

int main(void)
{
    check_client_load(RAM_HUGETLB_SHARED, 3);
    return 0;
}

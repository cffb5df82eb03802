/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#include "restoration.h"

void restoration_add_times(struct restoration *restoration, const struct vcpus *vcpus, uint64_t begun_ns)
{
    restoration->first_page_ns = vcpus_first_page_ns(vcpus) - begun_ns;
    restoration->local_ns = vcpus_local_ns(vcpus) - begun_ns;
    restoration->scattered_ns = vcpus_scattered_ns(vcpus) - begun_ns;
}

/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Loads while a guest walks its RAM.
 */
#ifndef KVM_WALK_LOAD_H
#define KVM_WALK_LOAD_H

#include "kvm-guest.h"

/*
 * Loads a snapshot into two blocks of this kind while two vCPUs, each pinned to a CPU of its own where there are two, visit every
 * page in different orders: what they see, and every byte at the end, is right. With a background loader and without, with KVM's
 * interrupt controller and without.
 */
void check_walk_load(enum ram_kind kind, size_t pages);

#endif

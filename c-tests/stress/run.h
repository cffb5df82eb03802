/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The life of a machine: set-ups one after the other, each with guest, clients and control, until a clean-up or an abort.
 */
#ifndef RUN_H
#define RUN_H

#include "plan.h"

void machine_run(const struct machine_plan *plan);

#endif

/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The table on stdout, and the same rows in bench.json.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdio.h>

#include "measure.h"

enum goal_kind {
    NO_GOAL,       /* the figure is only told */
    AT_MOST,       /* the ratio, or the figure where there is no baseline */
    AT_LEAST,
};

struct goal {
    enum goal_kind kind;
    double limit;
};

#define goal_none ((struct goal){ NO_GOAL, 0 })
#define goal_at_most(limit) ((struct goal){ AT_MOST, (limit) })
#define goal_at_least(limit) ((struct goal){ AT_LEAST, (limit) })

/* Opens bench.json in `directory`; data files go there too. Exits with a message where it cannot. */
void report_begin(const char *directory);
FILE *report_data_file(const char *name);

void report_section(const char *title);
/* One row: the median of `figure`, and its ratio to that of `baseline`, which may be NULL. */
void report_row(const char *name, struct series *figure, const char *unit, const char *baseline_name,
                struct series *baseline, struct goal goal);
void report_end(void);

#endif

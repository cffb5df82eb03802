/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "report.h"

#include <err.h>
#include <stdbool.h>
#include <stdlib.h>

static const char *into;
static FILE *json;
static bool first_row = true;
static const char *section = ""; /* the title of what follows */

FILE *report_data_file(const char *name)
{
    char *path;
    FILE *file;

    if (asprintf(&path, "%s/%s", into, name) < 0) {
        err(2, "asprintf");
    }
    file = fopen(path, "w");
    if (!file) {
        err(2, "%s", path);
    }
    free(path);
    return file;
}

void report_begin(const char *directory)
{
    into = directory;
    json = report_data_file("bench.json");
    fprintf(json, "[");
    printf("%-50s %10s %-7s %-21s %-14s %10s %7s %8s %s\n", "", "median", "unit", "min - max", "baseline",
           "median", "ratio", "goal", "met");
}

void report_section(const char *title)
{
    printf("\n%s\n", title);
    fflush(stdout);
    section = title;
}

static bool is_met(struct goal goal, double value)
{
    return goal.kind == AT_MOST ? value <= goal.limit : value >= goal.limit;
}

void report_row(const char *name, struct series *figure, const char *unit, const char *baseline_name,
                struct series *baseline, struct goal goal)
{
    double median = series_at(figure, 0.5);
    double other = baseline ? series_at(baseline, 0.5) : 0;
    double ratio = other != 0 ? median / other : 0;
    double judged = baseline ? ratio : median;
    char range[32];
    char goal_text[32] = "";

    snprintf(range, sizeof(range), "%.4g - %.4g", series_at(figure, 0), series_at(figure, 1));
    if (goal.kind != NO_GOAL) {
        snprintf(goal_text, sizeof(goal_text), "%s %.4g", goal.kind == AT_MOST ? "<=" : ">=", goal.limit);
    }
    printf("  %-48s %10.4g %-7s %-21s ", name, median, unit, range);
    fprintf(json, "%s\n  {\"section\": \"%s\", \"name\": \"%s\", \"figure\": %.6g, \"min\": %.6g, \"max\": %.6g, \"unit\": \"%s\", ",
            first_row ? "" : ",", section, name, median, series_at(figure, 0), series_at(figure, 1), unit);
    if (baseline) {
        printf("%-14s %10.4g %7.3g ", baseline_name, other, ratio);
        fprintf(json, "\"baseline\": {\"name\": \"%s\", \"figure\": %.6g}, \"ratio\": %.4g, ", baseline_name,
                other, ratio);
    } else {
        printf("%-14s %10s %7s ", "", "", "");
        fprintf(json, "\"baseline\": null, \"ratio\": null, ");
    }
    if (goal.kind != NO_GOAL) {
        printf("%8s %s\n", goal_text, is_met(goal, judged) ? "yes" : "NO");
        fprintf(json, "\"goal\": \"%s\", \"met\": %s}", goal_text, is_met(goal, judged) ? "true" : "false");
    } else {
        printf("\n");
        fprintf(json, "\"goal\": null, \"met\": null}");
    }
    fflush(stdout);
    fflush(json); /* a process that is forked writes nothing of it once more */
    first_row = false;
}

void report_end(void)
{
    fprintf(json, "\n]\n");
    if (fclose(json) != 0) {
        err(2, "bench.json");
    }
}

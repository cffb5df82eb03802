/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "measure.h"

#include <err.h>
#include <stdlib.h>
#include <time.h>

void series_add(struct series *series, double value)
{
    if (series->count == series->capacity) {
        series->capacity = series->capacity ? 2 * series->capacity : 16;
        series->values = realloc(series->values, series->capacity * sizeof(*series->values));
        if (!series->values) {
            err(2, "realloc");
        }
    }
    series->values[series->count++] = value;
}

void series_append(struct series *series, const struct series *more)
{
    for (size_t i = 0; i < more->count; i++) {
        series_add(series, more->values[i]);
    }
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

void series_sort(struct series *series)
{
    if (series->count > 0) {
        qsort(series->values, series->count, sizeof(*series->values), compare);
    }
}

double series_at(struct series *series, double share)
{
    if (series->count == 0) {
        errx(2, "nothing was measured");
    }
    series_sort(series);
    return series->values[(size_t)(share * (double)(series->count - 1) + 0.5)];
}

void series_free(struct series *series)
{
    free(series->values);
    *series = (struct series){ 0 };
}

double now_us(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        err(2, "clock_gettime");
    }
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

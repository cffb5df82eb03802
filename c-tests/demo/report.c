/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#include "report.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BAR_WIDTH 44
#define MIB (1024.0 * 1024.0)

static const char full_bar[BAR_WIDTH + 1] = "############################################";

void report_progress(uint64_t loaded, uint64_t total)
{
    int filled = total > 0 ? (int)(loaded * BAR_WIDTH / total) : 0;

    fprintf(stderr, "\r[%.*s%*s] %.0f / %.0f MiB ", filled, full_bar, BAR_WIDTH - filled, "", (double)loaded / MIB,
            (double)total / MIB);
    fflush(stderr);
}

void report_progress_end(void)
{
    fputs("\r\033[K", stderr);
}

/* At least one mark for anything that is not 0. */
static void print_bar(double length, double longest)
{
    const double marks = longest > 0 ? length * BAR_WIDTH / longest : 0;

    printf("|%.*s\n", marks > 0 && marks < 1 ? 1 : (int)(marks + 0.5), full_bar);
}

static void print_figure(const struct figures *way, enum measure measure, uint64_t longest_ns)
{
    const bool reads = measure == RANDOM_READ;
    const double figure = (double)way->ns[measure] / (reads ? 1 : 1e6);

    printf("  %-16s ", way->way);
    if (way->error != 0) {
        printf("not possible here: %s\n", strerror(way->error));
        return;
    }
    printf("%7.*f %s ", figure < 10 && !reads ? 1 : 0, figure, reads ? "ns" : "ms");
    print_bar((double)way->ns[measure], (double)longest_ns);
}

static void print_title(enum measure measure, double working_set_mib)
{
    switch (measure) {
    case FIRST_PAGE:
        puts("time to the first page");
        break;
    case LOCAL_WORKING_SET:
        printf("time to a working set of %.0f MiB: pieces of 2 MiB\n", working_set_mib);
        break;
    case SCATTERED_WORKING_SET:
        printf("time to %.0f MiB more: single pages all over the RAM\n", working_set_mib);
        break;
    case ALL:
        puts("time to all: from then on the file is not needed");
        break;
    default:
        puts("a random read afterwards");
    }
}

void report_figures(const struct figures *ways, size_t count, uint64_t working_set_bytes)
{
    for (enum measure measure = 0; measure < MEASURES; measure++) {
        uint64_t longest_ns = 0;

        for (size_t i = 0; i < count; i++) {
            longest_ns = ways[i].ns[measure] > longest_ns ? ways[i].ns[measure] : longest_ns;
        }
        print_title(measure, (double)working_set_bytes / MIB);
        for (size_t i = 0; i < count; i++) {
            print_figure(&ways[i], measure, longest_ns);
        }
    }
}

void report_latency(const uint64_t latency[HISTOGRAM_BUCKETS], uint64_t faults)
{
    /* Each line but the first has two buckets: from 4 us to less than 16 us, and so on. */
    static const char *const names[] = { "less than  16 us", "less than  64 us", "less than 256 us", "less than   1 ms",
                                         "less than   4 ms", "less than  16 ms", "more" };
    enum { LINES = sizeof(names) / sizeof(*names) };
    uint64_t counts[LINES] = { 0 }, most = 0;

    for (size_t bucket = 3; bucket < HISTOGRAM_BUCKETS; bucket++) {
        const size_t line = (bucket - 3) / 2;

        counts[line < LINES ? line : LINES - 1] += latency[bucket];
    }
    for (size_t line = 0; line < LINES; line++) {
        most = counts[line] > most ? counts[line] : most;
    }
    printf("accesses of the guest in the lazy load; the library served %" PRIu64 " faults\n", faults);
    printf("  %-16s %7" PRIu64 "\n", "less than   4 us", latency[0] + latency[1] + latency[2]);
    for (size_t line = 0; line < LINES; line++) {
        printf("  %-16s %7" PRIu64 "    ", names[line], counts[line]);
        print_bar((double)counts[line], (double)most);
    }
}

/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#include "report.h"

#include <inttypes.h>
#include <stdio.h>

#include "histogram.h"

#define BAR_WIDTH 40
#define MIB (1024.0 * 1024.0)

void report_progress(uint64_t loaded, uint64_t total)
{
    static const char full[BAR_WIDTH + 1] = "########################################";
    int filled = total > 0 ? (int)(loaded * BAR_WIDTH / total) : 0;

    fprintf(stderr, "\r[%.*s%*s] %.0f / %.0f MiB ", filled, full, BAR_WIDTH - filled, "",
            (double)loaded / MIB, (double)total / MIB);
    fflush(stderr);
}

void report_progress_end(void)
{
    fputs("\r\033[K", stderr);
}

static double milliseconds(uint64_t ns)
{
    return (double)ns / 1e6;
}

static void print_latency(const char *what, const uint64_t buckets[HISTOGRAM_BUCKETS])
{
    const uint64_t p50 = histogram_percentile(buckets, 50), p99 = histogram_percentile(buckets, 99);

    if (p99 == 0) {
        printf("  %-26s none\n", what);
    } else {
        printf("  %-26s p50 < %" PRIu64 " us, p99 < %" PRIu64 " us\n", what, p50, p99);
    }
}

static void print_touches(const struct vcpu *vcpus, size_t count)
{
    uint64_t latency[HISTOGRAM_BUCKETS] = { 0 };

    for (size_t vcpu = 0; vcpu < count; vcpu++) {
        for (size_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
            latency[bucket] += vcpus[vcpu].latency[bucket];
        }
    }
    /* Most pages are there when they are touched: those that are not make the upper end. */
    print_latency("touch, as a thread saw it", latency);
}

/* What no fault asked for was loaded in the background. */
static void print_background_rate(const struct UffdIncomingStats *stats, uint64_t loaded_ns)
{
    const uint64_t pages = stats->pages_placed + stats->zero_pages_placed;
    const uint64_t background = pages > stats->pages_requested ? pages - stats->pages_requested : 0;
    const double bytes = (double)stats->bytes_loaded * (double)background / (double)pages;

    printf("  %-26s %.0f MB/s: %" PRIu64 " of %" PRIu64 " pages, the others came by faults\n",
           "background rate", bytes * 1e3 / (double)loaded_ns, background, pages);
}

void report_print(const struct measurements *measured)
{
    const struct UffdIncomingStats *stats = &measured->stats;

    printf("\n");
    printf("  %-26s %.2f ms\n", "time to first page", milliseconds(measured->first_page_ns));
    printf("  %-26s %.2f ms\n", "time of a full plain read", milliseconds(measured->plain_read_ns));
    printf("  %-26s %.2f ms\n", "time until all is loaded", milliseconds(measured->loaded_ns));
    print_background_rate(stats, measured->loaded_ns);
    printf("  %-26s %" PRIu64 " with data, %" PRIu64 " zero\n", "pages placed", stats->pages_placed,
           stats->zero_pages_placed);
    printf("  %-26s %" PRIu64 "\n", "faults", stats->faults);
    print_latency("fault, from read to placed", stats->fault_latency_buckets);
    print_touches(measured->vcpus, measured->vcpu_count);
}

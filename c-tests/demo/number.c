/* SPDX-License-Identifier: MIT OR Apache-2.0 */

#include "number.h"

#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

uint64_t number_or_exit(const char *text, const char *option, uint64_t min, uint64_t max)
{
    char *end;
    uint64_t number = strtoull(text, &end, 0);

    if (end == text || *end != '\0' || number < min || number > max) {
        errx(2, "%s: expected a number from %" PRIu64 " to %" PRIu64 ", seen '%s'", option, min, max, text);
    }
    return number;
}

uint64_t size_or_exit(const char *text, const char *option)
{
    static const char suffixes[] = "KMGT";
    char *end;
    uint64_t size = strtoull(text, &end, 0);

    if (end != text && *end != '\0') {
        const char *suffix = strchr(suffixes, *end);
        if (suffix && size <= UINT64_MAX >> 40) {
            size <<= 10 * (suffix - suffixes + 1);
            end++;
        }
    }
    if (end == text || *end != '\0' || size == 0) {
        errx(2, "%s: expected a size like 4G or 512M, seen '%s'", option, text);
    }
    return size;
}

/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#define _GNU_SOURCE
#include "random.h"

#include <unistd.h>

/* splitmix64 */
uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct random random_of(uint64_t seed, uint64_t number)
{
    struct random random = { .state = seed };

    random.state = random_next(&random) ^ (number * 0xd1342543de82ef95u);
    return random;
}

uint64_t random_below(struct random *random, uint64_t end)
{
    return random_next(random) % end;
}

uint64_t random_from(struct random *random, uint64_t first, uint64_t last)
{
    return first + random_below(random, last - first + 1);
}

bool random_percent(struct random *random, unsigned percent)
{
    return random_below(random, 100) < percent;
}

bool random_permille(struct random *random, unsigned permille)
{
    return random_below(random, 1000) < permille;
}

void random_sleep(struct random *random, unsigned microseconds)
{
    usleep((useconds_t)random_below(random, microseconds));
}

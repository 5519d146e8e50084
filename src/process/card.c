/* SPDX-License-Identifier: MIT */
#include "process/card.h"
#include "core/cleanup.h"

#define DIGITS_MAX 19

/* By the first four digits. */
static const struct network {
    unsigned first, last;
    size_t min, max; /* digits */
} networks[] = {
    {2200, 2204, 16, 19},                                                                   /* Mir */
    {2221, 2720, 16, 16}, {5100, 5599, 16, 16},                                             /* Mastercard */
    {3000, 3059, 14, 19}, {3095, 3095, 14, 19}, {3600, 3699, 14, 19}, {3800, 3999, 14, 19}, /* Diners Club */
    {3400, 3499, 15, 15}, {3700, 3799, 15, 15},                                             /* American Express */
    {3528, 3589, 16, 19},                                                                   /* JCB */
    {4000, 4999, 13, 19},                                                                   /* Visa */
    {5000, 5099, 13, 19}, {5600, 5899, 13, 19}, {6000, 6999, 13, 19}, /* Maestro, Discover, UnionPay, RuPay, Verve */
    {8100, 8299, 16, 19},                                             /* UnionPay, RuPay */
    {9792, 9792, 16, 16},                                             /* Troy */
};

static bool has_network(unsigned first_four, size_t n)
{
    for (size_t i = 0; i < ELEMENTSOF(networks); i++)
        if (first_four >= networks[i].first && first_four <= networks[i].last && n >= networks[i].min &&
            n <= networks[i].max)
            return true;
    return false;
}

bool azm_is_card(struct azm_text t)
{
    unsigned sum = 0, first_four = 0;
    unsigned char digits[DIGITS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < t.len; i++) {
        unsigned digit = (unsigned char)t.s[i] - '0';

        if (digit > 9)
            continue;
        if (n == DIGITS_MAX)
            return false;
        if (n < 4)
            first_four = first_four * 10 + digit;
        digits[n++] = (unsigned char)digit;
    }
    /* From the check digit on to the left every second one counts double, with its digits summed up. */
    for (size_t i = 0; i < n; i++) {
        unsigned digit = digits[n - 1 - i];

        sum += i % 2 == 0 ? digit : digit * 2 - (digit > 4 ? 9 : 0);
    }
    return sum % 10 == 0 && has_network(first_four, n);
}

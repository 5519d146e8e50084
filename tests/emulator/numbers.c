/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "numbers.h"

#include <stddef.h>
#include <string.h>

bool emu_read_number(const char **text, uint64_t maximum, uint64_t *ret)
{
    uint64_t value = 0;
    const char *at = *text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (digit > maximum || value > (maximum - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (at == *text)
        return false;
    *text = at;
    *ret = value;
    return true;
}

bool emu_parse_range(const char *text, struct emu_range *ret)
{
    struct emu_range range = EMU_ANY_NUMBER;
    bool good = true;

    if (strcmp(text, "*") != 0) {
        good = emu_read_number(&text, UINT64_MAX, &range.first);
        if (good && *text == '\0')
            range.last = range.first;
        else if (good && *text++ == '-')
            good = *text == '\0' || (emu_read_number(&text, UINT64_MAX, &range.last) && *text == '\0');
        else
            good = false;
    }
    *ret = range;
    return good && range.first <= range.last;
}

bool emu_range_has(struct emu_range range, uint64_t number)
{
    return number >= range.first && number <= range.last;
}

bool emu_parse_duration(const char *text, unsigned *ret_msec)
{
    enum { DAY_MSEC = 86400000 };
    static const struct {
        const char *unit;
        uint64_t msec;
    } units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}};
    uint64_t count;

    if (!emu_read_number(&text, DAY_MSEC, &count))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (strcmp(text, units[i].unit) == 0 && count * units[i].msec <= DAY_MSEC) {
            *ret_msec = (unsigned)(count * units[i].msec);
            return true;
        }
    return false;
}

/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <strings.h>

#include "core/header.h"

struct azm_text azm_header_value(struct azm_text line, const char *name)
{
    size_t n = strlen(name);

    if (line.len <= n || strncasecmp(line.s, name, n) != 0 || line.s[n] != ':')
        return (struct azm_text){NULL, 0};
    line.s += n + 1;
    line.len -= n + 1;
    while (line.len > 0 && (*line.s == ' ' || *line.s == '\t'))
        line.s++, line.len--;
    while (line.len > 0 && strchr("\r\n \t", line.s[line.len - 1])) /* or a NUL */
        line.len--;
    return line;
}

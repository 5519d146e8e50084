/* SPDX-License-Identifier: MIT */
#include "parse/line.h"
#include "tests/fuzz/fuzz.h"

/* A line of a program that is to be JSON or logfmt. Either the record is as it was, or it has a message; what was there
 * before stands first, and no name is there twice. */

FUZZ_TARGET(line)
{
    static struct azm_line_parser parser;
    static const struct azm_attribute own[] = {{.key = AZM_TEXT("a"), .type = AZM_VALUE_INT, .integer = 1},
                                               {.key = AZM_TEXT("process.pid"), .type = AZM_VALUE_INT, .integer = 2}};
    struct azm_record before = {.time_unix_nano = 1, .severity = -1, .has_body = true, .attributes = own}, record;
    enum azm_line_format format = (enum azm_line_format)(fuzz_byte(&in) % 4);
    int r;

    before.n_attributes = ELEMENTSOF(own);
    before.body = fuzz_rest(&in);
    record = before;
    r = azm_line_parse(&parser, format, &record);
    require(r == 0 || r == 1);
    if (r == 0) {
        require(memcmp(&record, &before, sizeof record) == 0);
        return;
    }
    require(format != AZM_LINE_PLAIN);
    require(record.has_body);
    require(record.severity >= -1 && record.severity <= 7 && record.time_unix_nano > 0);
    require(record.n_attributes >= before.n_attributes);
    for (size_t i = 0; i < record.n_attributes; i++) {
        require(fuzz_is_utf8(record.attributes[i].key));
        require(i >= before.n_attributes || azm_text_equal(record.attributes[i].key, own[i].key));
        for (size_t k = 0; k < i; k++)
            require(!azm_text_equal(record.attributes[i].key, record.attributes[k].key));
    }
}

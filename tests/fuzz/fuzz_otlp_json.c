/* SPDX-License-Identifier: MIT */
#include "encode/otlp_json_parse.h"
#include "tests/fuzz/fuzz.h"

/* A line of OTLP/JSON, as a person may have edited it. What is taken is OTLP, and its own line gives the same bytes
 * again. */

FUZZ_TARGET(otlp_json)
{
    static struct azm_buf resource, record;
    int r = azm_otlp_json_parse_line(fuzz_rest(&in), &resource, &record);

    require(r == 0 || (r == -EBADMSG && resource.len == 0 && record.len == 0));
    if (r < 0)
        return;
    fuzz_require_resource(fuzz_text(&resource));
    fuzz_require_record(fuzz_text(&record));
    fuzz_require_json_line(fuzz_text(&resource), fuzz_text(&record));
}

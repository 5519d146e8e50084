/* SPDX-License-Identifier: MIT */
#include "config/config.h"
#include "tests/fuzz/fuzz.h"

/* The file of headers_file=. What is taken of it is a header each, on one line, of which no name stands there twice; an
 * error names the line and nothing that stands in it. */

FUZZ_TARGET(headers_file)
{
    struct azm_error err = {""};
    struct azm_config c;
    int r;

    fuzz_write("headers", fuzz_rest(&in));
    require(azm_config_init(&c) == 0);
    r = azm_config_set(&c, "destination", "headers_file", fuzz_path("headers"), "here", false, &err);
    require(r == 0 || (r == -EINVAL && strstr(err.words, "headers:")));
    fuzz_require_headers(&c.headers);
    azm_config_free(&c);
}

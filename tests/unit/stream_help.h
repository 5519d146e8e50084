/* SPDX-License-Identifier: MIT */
#pragma once

#include "export/delivery.h"
#include "stream/stream.h"

/* What the exporter does about what an engine has said. */
static inline void decide_stream(const struct azm_stream_answer *s, size_t records, bool proven,
                                 struct azm_verdict *ret)
{
    const struct azm_answer a = {.curl_code = s->curl_code,
                                 .curl_words = s->words,
                                 .content_type = "",
                                 .retry_after = "",
                                 .error_code = "",
                                 .request_id = "",
                                 .redirect_url = "",
                                 .stream = s};
    const struct azm_attempt attempt = {.origin = "", .records = records, .proven = proven};

    azm_delivery_decide(&a, &attempt, 0, ret);
}

/* SPDX-License-Identifier: MIT */
#pragma once

#include "tests/unit/decide.h"

/* Answers of Azure's. */

#define O AZM_PROFILE_OTLP
#define A AZM_PROFILE_AZURE
#define I AZM_PROFILE_APPINSIGHTS

#define QUOTA "the quota is used up"

static const struct azm_answer no_answer = {.curl_words = "words of curl",
                                            .content_type = "application/json; charset=utf-8",
                                            .retry_after = "",
                                            .error_code = "",
                                            .request_id = "",
                                            .redirect_url = ""};

/* `body` is JSON with ' for ". */
static struct azm_answer answer_of(long status, const char *body)
{
    static char text[4096];
    struct azm_answer a = no_answer;

    snprintf(text, sizeof text, "%s", body);
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    a.status = status;
    a.body = (const uint8_t *)text;
    a.body_len = strlen(text);
    return a;
}

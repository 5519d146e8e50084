/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/clock.h"
#include "export/delivery.h"
#include "tests/unit/test.h"

/* Answers of Azure's, and the decisions on them. */

#define SEC AZM_USEC_PER_SEC
#define NOW (UINT64_C(1794614400) * SEC)
#define MARK "S3CRET" /* stands in bodies; must never be shown */

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

static struct azm_verdict decide(const struct azm_answer *a, const struct azm_attempt *t)
{
    struct azm_verdict v;

    memset(&v, 0xA5, sizeof v); /* all of it must be set */
    azm_delivery_decide(a, t, NOW, &v);
    ck_assert_ptr_nonnull(memchr(v.reason, '\0', sizeof v.reason));
    ck_assert_ptr_null(strstr(v.reason, MARK));
    ck_assert((v.decision == AZM_ACKNOWLEDGE) == !*v.reason);
    return v;
}

/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/clock.h"
#include "export/delivery.h"
#include "tests/unit/test.h"

/* A decision, and what holds for every one. */

#define SEC AZM_USEC_PER_SEC
#define NOW (UINT64_C(1794614400) * SEC) /* Sat, 14 Nov 2026 00:00:00 GMT */
#define MARK "S3CRET"                    /* stands in bodies; must never be shown */

static struct azm_verdict decide(const struct azm_answer *a, const struct azm_attempt *t)
{
    struct azm_verdict v;

    memset(&v, 0xA5, sizeof v); /* all of it must be set */
    azm_delivery_decide(a, t, NOW, &v);
    ck_assert_ptr_nonnull(memchr(v.reason, '\0', sizeof v.reason));
    ck_assert_ptr_null(strstr(v.reason, MARK));
    ck_assert_ptr_null(strchr(v.reason, '\n'));
    if (v.decision == AZM_ACKNOWLEDGE) {
        ck_assert_str_eq(v.reason, "");
        ck_assert_ptr_null(v.remedy);
        ck_assert_uint_eq(v.retry_after_usec, 0);
    } else
        ck_assert_str_ne(v.reason, "");
    return v;
}

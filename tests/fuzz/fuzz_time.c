/* SPDX-License-Identifier: MIT */
#include "core/retry_after.h"
#include "core/rfc3339.h"
#include "core/timespan.h"
#include "core/trace_context.h"
#include "tests/fuzz/fuzz.h"

/* Text for a moment, a span, Retry-After, an id of a trace: bounded; and what is printed is read as the same. */

static void check_rfc3339(struct azm_text t)
{
    char text[AZM_TIME_TEXT_MAX];
    uint64_t nsec, again;

    if (!azm_rfc3339_parse(t, &nsec))
        return;
    azm_time_print(nsec / 1000, text);
    require(nsec < 1000 || (azm_rfc3339_parse(azm_text_of(text), &again) && again == nsec / 1000 * 1000));
}

static void check_span(const char *s)
{
    uint64_t usec, again;
    char text[32];
    int r = azm_parse_timespan(s, AZM_USEC_PER_SEC, &usec);

    require(r == 0 || r == -EINVAL || r == -ERANGE);
    if (r == 0 && usec < UINT64_C(1) << 53) { /* up to there doubles are exact */
        snprintf(text, sizeof text, "%juus", (uintmax_t)usec);
        require(azm_parse_timespan(text, 1, &again) == 0 && again == usec);
    }
    require(r < 0 || usec <= UINT64_C(100000000000000000));
}

static void check_moment(const char *s)
{
    char text[AZM_TIME_TEXT_MAX];
    uint64_t usec, again;
    int r = azm_parse_time(s, FUZZ_NOW_USEC, &usec);

    require(r == 0 || r == -EINVAL || r == -ERANGE);
    if (r == 0 && usec > 0 && usec < UINT64_C(253402300800000000)) { /* the year 10000 */
        azm_time_print(usec, text);
        require(azm_parse_time(text, FUZZ_NOW_USEC, &again) == 0 && again == usec);
    }
}

static void check_id(struct azm_text t)
{
    uint8_t id[16];
    char text[33] = "";

    if (!azm_trace_parse_id(t, id, sizeof id))
        return;
    for (size_t i = 0; i < sizeof id; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    require(t.len == 32 && strncasecmp(text, t.s, 32) == 0);
}

FUZZ_TARGET(time)
{
    struct fuzz_input copy = in;
    struct azm_text t = fuzz_rest(&in);
    const char *s = fuzz_string(&copy);
    uint32_t flags;

    check_rfc3339(t);
    check_span(s);
    check_moment(s);
    require(azm_retry_after_usec(s, FUZZ_NOW_USEC) <= AZM_RETRY_AFTER_MAX_USEC);
    check_id(t);
    require(!azm_trace_parse_flags(t, &flags) || (t.len == 2 && flags <= 255));
}

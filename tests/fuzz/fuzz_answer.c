/* SPDX-License-Identifier: MIT */
#include "export/answer_body.h"
#include "export/remedy.h"
#include "tests/fuzz/fuzz.h"

/* An answer to a request: profile, what libcurl said, status, headers, body. Whatever it says, the decision obeys the
 * rules that keep records and credentials safe, and nothing for people carries the body into a log line. */

static void check_verdict(const struct azm_answer *a, const struct azm_attempt *t, const struct azm_verdict *v)
{
    require(fuzz_is_line(v->reason) && fuzz_is_word(v->code));
    require(v->retry_after_usec <= AZM_USEC_PER_SEC * 3600);
    switch (v->decision) {
    case AZM_ACKNOWLEDGE:
    case AZM_ACKNOWLEDGE_PARTIAL:
        require(a->status >= 200 && a->status <= 299);
        require(v->rejected <= t->records);
        break;
    case AZM_SORT:
        require(t->profile == AZM_PROFILE_APPINSIGHTS && a->status == 206);
        break;
    case AZM_SPLIT:
        require(t->records > 1 && (t->proven || v->suspect));
        break;
    case AZM_TRUNCATE:
        require(t->records == 1 && t->proven && !t->truncated);
        break;
    case AZM_QUARANTINE:
        require(t->records == 1 && (t->proven || v->suspect));
        break;
    case AZM_FOLLOW:
        require(strncasecmp(a->redirect_url, "https://", 8) == 0 && t->redirects < AZM_REDIRECTS_MAX);
        require(!v->keep_credentials || azm_answer_same_origin(t->origin, a->redirect_url) ||
                (t->profile != AZM_PROFILE_OTLP && azm_answer_is_azure(a->redirect_url, "")));
        break;
    case AZM_RENEW:
        require(t->renewable);
        break;
    case AZM_RETRY:
    case AZM_HOLD:
        break;
    }
}

static void check_items(const struct azm_answer *a, struct azm_attempt *t)
{
    _cleanup_(azm_items_free) struct azm_items items = {0};
    struct azm_verdict v;
    int r = azm_delivery_items(a, t->records, &items);

    require(r == 0 || r == -EBADMSG);
    if (r < 0)
        return;
    require(items.n == t->records);
    for (size_t i = 0; i < items.n; i++) {
        if (items.items[i].meaning == AZM_TAKEN)
            continue;
        t->records = 1;
        azm_delivery_decide_item(&items.items[i], t, &v);
        require(fuzz_is_line(v.reason));
        require(v.decision != AZM_ACKNOWLEDGE && v.decision != AZM_FOLLOW);
    }
}

FUZZ_TARGET(answer)
{
    static const enum azm_profile profiles[] = {AZM_PROFILE_OTLP, AZM_PROFILE_AZURE, AZM_PROFILE_APPINSIGHTS};
    uint8_t flags = fuzz_byte(&in);
    struct azm_attempt t = {
        .profile = profiles[fuzz_byte(&in) % 3],
        .origin = "https://x-1.westeurope-1.ingest.monitor.azure.com/dataCollectionRules/dcr-1/streams/s/otlp/v1/logs",
        .records = 1 + fuzz_byte(&in) % 8,
        .proven = flags & 1,
        .truncated = flags & 2,
        .suspect = flags & 4,
        .others_passed = flags & 8,
        .renewable = flags & 16,
        .token = flags & 32,
        .failures = fuzz_byte(&in) % 8,
        .redirects = fuzz_byte(&in) % 8,
    };
    struct azm_answer a = {.curl_code = flags & 64 ? 1 + fuzz_byte(&in) % 95 : 0, .curl_words = ""};
    struct azm_verdict v;
    char words[AZM_WORDS_MAX], remedy[AZM_REMEDY_MAX];
    struct azm_text body;

    if (a.curl_code)
        a.curl_words = "Could not connect to server";
    a.status = strtol(fuzz_string(&in), NULL, 10) % 1000;
    a.connect_code = flags & 128 ? 100 + 2 * fuzz_byte(&in) : 0;
    a.content_type = fuzz_string(&in);
    a.retry_after = fuzz_string(&in);
    a.error_code = fuzz_string(&in);
    a.request_id = "";
    a.redirect_url = fuzz_string(&in);
    body = fuzz_rest(&in);
    a.body = (const uint8_t *)body.s;
    a.body_len = body.len;
    if (a.status < 0)
        a.status = 0;

    azm_delivery_decide(&a, &t, FUZZ_NOW_USEC, &v);
    check_verdict(&a, &t, &v);
    azm_delivery_words(&a, words);
    require(strnlen(words, sizeof words) < sizeof words);
    azm_remedy_print(
        v.remedy, &(struct azm_remedy_facts){"00000000-0000-0000-0000-000000000001", "dcr-1", AZM_LOGS, NULL}, remedy);
    require(fuzz_is_line(remedy));
    check_items(&a, &t);
}

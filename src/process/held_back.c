/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "core/clock.h"
#include "core/severity.h"
#include "process/held_back.h"

#define NO_SEVERITY "unset"
#define COUNT_MAX (UINT64_C(1) << 48) /* in a checkpoint: sums do not overflow */

void azm_held_back_add(struct azm_held_back *to, const struct azm_held_back *more)
{
    if (to->records == 0) {
        *to = *more;
        return;
    }
    to->records += more->records;
    for (size_t i = 0; i < AZM_HELD_BACK_SEVERITIES; i++)
        to->severities[i] += more->severities[i];
    to->from_nsec = MIN(to->from_nsec, more->from_nsec);
    to->to_nsec = MAX(to->to_nsec, more->to_nsec);
}

static struct azm_text word_of(size_t i)
{
    const struct azm_severity *s = azm_severity_of((int)i - 1);

    return s ? s->text : AZM_TEXT(NO_SEVERITY);
}

/* One sentence for people. */
static void describe(const struct azm_held_back *h, struct azm_text service, uint64_t rate, char *ret, size_t size)
{
    int n = snprintf(ret, size, "held back %" PRIu64 " record%s of %.*s", h->records, h->records == 1 ? "" : "s",
                     (int)service.len, service.s);

    if (rate > 0)
        n += snprintf(ret + n, size - (size_t)n, ", which logs more than %" PRIu64 " a second", rate);
    for (size_t i = 0; i < AZM_HELD_BACK_SEVERITIES; i++)
        if (h->severities[i] > 0)
            n += snprintf(ret + n, size - (size_t)n, "%s%" PRIu64 " %s", strchr(ret, ':') ? ", " : ": ",
                          h->severities[i], word_of(i).s);
}

static int add_text(struct azm_arena *arena, struct azm_attribute *attributes, size_t *n, struct azm_text key,
                    struct azm_text value)
{
    const char *s = azm_arena_copy(arena, value.s, value.len);

    if (!s)
        return -ENOMEM;
    attributes[(*n)++] = (struct azm_attribute){.key = key, .type = AZM_VALUE_TEXT, .text = {s, value.len}};
    return 0;
}

static void add_count(struct azm_attribute *attributes, size_t *n, struct azm_text key, uint64_t value)
{
    attributes[(*n)++] = (struct azm_attribute){.key = key, .type = AZM_VALUE_INT, .integer = (int64_t)value};
}

static const struct azm_text keys[AZM_HELD_BACK_SEVERITIES] = {
    AZM_TEXT("azmonlog.held_back." NO_SEVERITY), AZM_TEXT("azmonlog.held_back.emerg"),
    AZM_TEXT("azmonlog.held_back.alert"),        AZM_TEXT("azmonlog.held_back.crit"),
    AZM_TEXT("azmonlog.held_back.err"),          AZM_TEXT("azmonlog.held_back.warning"),
    AZM_TEXT("azmonlog.held_back.notice"),       AZM_TEXT("azmonlog.held_back.info"),
    AZM_TEXT("azmonlog.held_back.debug"),
};

static void make_uid(const struct azm_held_back *h, struct azm_text service, uint8_t ret[16])
{
    static const char what[] = "azmonlog held back";
    XXH128_canonical_t canonical;
    XXH128_hash_t sum = XXH3_128bits(service.s, service.len);

    sum.low64 += XXH3_64bits_withSeed(h->first_uid, sizeof h->first_uid, h->from_nsec);
    sum.high64 += XXH3_64bits(what, sizeof what);
    XXH128_canonicalFromHash(&canonical, sum);
    memcpy(ret, canonical.digest, 16);
}

int azm_held_back_record(const struct azm_held_back *h, struct azm_text service, uint64_t rate, struct azm_arena *arena,
                         struct azm_attribute *attributes, struct azm_record *ret)
{
    char words[1024], from[AZM_TIME_TEXT_MAX], to[AZM_TIME_TEXT_MAX];
    struct azm_record r = {.severity = 4, .own = true, .has_body = true, .attributes = attributes};
    size_t n = 0;
    int k;

    describe(h, service, rate, words, sizeof words);
    azm_time_print(h->from_nsec / AZM_NSEC_PER_USEC, from);
    azm_time_print(h->to_nsec / AZM_NSEC_PER_USEC, to);
    r.body = (struct azm_text){azm_arena_copy(arena, words, strlen(words)), strlen(words)};
    k = r.body.s ? 0 : -ENOMEM;
    if (k == 0)
        k = add_text(arena, attributes, &n, AZM_TEXT("azmonlog.held_back.service"), service);
    add_count(attributes, &n, AZM_TEXT("azmonlog.held_back.records"), h->records);
    if (k == 0)
        k = add_text(arena, attributes, &n, AZM_TEXT("azmonlog.held_back.from"), azm_text_of(from));
    if (k == 0)
        k = add_text(arena, attributes, &n, AZM_TEXT("azmonlog.held_back.to"), azm_text_of(to));
    if (k < 0)
        return k;
    for (size_t i = 0; i < AZM_HELD_BACK_SEVERITIES; i++)
        if (h->severities[i] > 0)
            add_count(attributes, &n, keys[i], h->severities[i]);
    r.event_name = AZM_TEXT("azmonlog.held_back");
    r.n_attributes = n;
    r.time_unix_nano = r.observed_time_unix_nano = h->to_nsec;
    make_uid(h, service, r.uid);
    *ret = r;
    return 0;
}

/* --- the checkpoint --- */

int azm_held_back_print(const struct azm_held_back *h, struct azm_buf *out)
{
    int r = azm_buf_printf(out, "%" PRIu64 " %" PRIu64 " ", h->from_nsec, h->to_nsec);

    for (size_t i = 0; i < sizeof h->first_uid && r >= 0; i++)
        r = azm_buf_printf(out, "%02x", h->first_uid[i]);
    for (size_t i = 0; i < AZM_HELD_BACK_SEVERITIES && r >= 0; i++)
        r = azm_buf_printf(out, " %" PRIu64, h->severities[i]);
    return r;
}

int azm_held_back_parse(struct azm_held_back *h, const char *value)
{
    struct azm_held_back v = {0};
    int at = 0, n = 0;

    if (sscanf(value, "%" SCNu64 " %" SCNu64 " %n", &v.from_nsec, &v.to_nsec, &at) != 2 || at == 0)
        return -EBADMSG;
    for (size_t i = 0; i < sizeof v.first_uid; i++, at += 2) {
        unsigned byte;

        if (sscanf(value + at, "%2x%n", &byte, &n) != 1 || n != 2)
            return -EBADMSG;
        v.first_uid[i] = (uint8_t)byte;
    }
    for (size_t i = 0; i < AZM_HELD_BACK_SEVERITIES; i++, at += n) {
        if (sscanf(value + at, " %" SCNu64 "%n", &v.severities[i], &n) != 1 || v.severities[i] > COUNT_MAX)
            return -EBADMSG;
        v.records += v.severities[i];
    }
    if (v.records == 0 || v.from_nsec == 0 || MAX(v.from_nsec, v.to_nsec) > INT64_MAX)
        return -EBADMSG;
    *h = v;
    return at;
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "core/clock.h"
#include "core/log.h"
#include "source/gap.h"

static const char *const reasons[] = {
    [AZM_GAP_VACUUMED] = "vacuumed", [AZM_GAP_ROLLED_BACK] = "rolled_back",
    [AZM_GAP_MISSING] = "missing",   [AZM_GAP_UNREADABLE] = "unreadable",
    [AZM_GAP_FILE] = "file",
};

/* The time in which it lies. The entries around it need not be in the order of their times: a clock may have been set
 * back, or a machine gone down in between. */
static void print_span(const struct azm_gap *g, char from[static AZM_TIME_TEXT_MAX], char to[static AZM_TIME_TEXT_MAX])
{
    uint64_t a = g->from.realtime_usec, b = g->to.realtime_usec;
    bool backwards = a > 0 && b > 0 && a > b;

    azm_time_print(backwards ? b : a, from);
    azm_time_print(backwards ? a : b, to);
}

/* One sentence, for the log and for the far end. */
static void describe(const struct azm_gap *g, char *ret, size_t size)
{
    static const char *const words[] = {
        [AZM_GAP_VACUUMED] = "the journal was vacuumed before they were read",
        [AZM_GAP_ROLLED_BACK] = "the journal was rolled back or recreated (power loss, files put back or deleted); "
                                "going on after the last entry that was surely delivered",
        [AZM_GAP_MISSING] = "a journal file was damaged, truncated or deleted (journalctl --verify shows damage)",
        [AZM_GAP_UNREADABLE] = "they cannot be read (journalctl --verify shows damage)",
        [AZM_GAP_FILE] = "cannot be read or gives no entry: damaged or truncated (journalctl --verify shows damage)",
    };
    char from[AZM_TIME_TEXT_MAX], to[AZM_TIME_TEXT_MAX];
    int n;

    print_span(g, from, to);
    if (g->reason == AZM_GAP_FILE)
        n = snprintf(ret, size, "journal entries were lost: %s %s", g->file, words[g->reason]);
    else if (g->counted)
        n = snprintf(ret, size, "%s%s%" PRIu64 " journal entr%s lost: %s", g->up_to ? "up to " : "",
                     g->about ? "about " : "", g->entries, g->entries == 1 ? "y was" : "ies were", words[g->reason]);
    else
        n = snprintf(ret, size, "journal entries may have been lost: %s", words[g->reason]);
    if (n > 0 && (size_t)n < size && (*from || *to))
        snprintf(ret + n, size - (size_t)n, "; %s%s%s%s", *from ? "after " : "", from,
                 *to ? (*from ? ", before " : "before ") : "", to);
}

void azm_gap_log(const struct azm_gap *g)
{
    char words[1024];

    describe(g, words, sizeof words);
    azm_log(AZM_LOG_WARNING, "%s", words);
}

static int add_text(struct azm_arena *arena, struct azm_attribute *attributes, size_t *n, struct azm_text key,
                    const char *value)
{
    size_t len = strlen(value);
    const char *s;

    if (len == 0)
        return 0;
    s = azm_arena_copy(arena, value, len);
    if (!s)
        return -ENOMEM;
    attributes[(*n)++] = (struct azm_attribute){.key = key, .type = AZM_VALUE_TEXT, .text = {s, len}};
    return 0;
}

static void make_uid(const struct azm_gap *g, uint8_t ret[16])
{
    char text[2 * AZM_PLACE_TEXT_MAX + 64];
    XXH128_canonical_t canonical;
    int n;

    n = snprintf(text, sizeof text, "azmonlog gap %s %" PRIu64 " ", reasons[g->reason], g->entries);
    azm_place_print(&g->from, text + n);
    n = (int)strlen(text);
    azm_place_print(&g->to, text + n);
    XXH128_canonicalFromHash(
        &canonical, XXH3_128bits_withSeed(text, strlen(text), g->file ? XXH3_64bits(g->file, strlen(g->file)) : 0));
    memcpy(ret, canonical.digest, 16);
}

int azm_gap_record(const struct azm_gap *g, struct azm_text resource, uint64_t now_usec, struct azm_arena *arena,
                   struct azm_attribute *attributes, struct azm_record *ret)
{
    char words[1024], from[AZM_TIME_TEXT_MAX], to[AZM_TIME_TEXT_MAX];
    struct azm_record r = {
        .severity = 4, .own = true, .has_body = true, .resource = resource, .attributes = attributes};
    size_t n = 0;
    int k;

    describe(g, words, sizeof words);
    r.body = (struct azm_text){azm_arena_copy(arena, words, strlen(words)), strlen(words)};
    print_span(g, from, to);
    k = r.body.s ? 0 : -ENOMEM;
    if (k == 0)
        k = add_text(arena, attributes, &n, AZM_TEXT("azmonlog.gap.reason"), reasons[g->reason]);
    if (k == 0 && g->counted)
        attributes[n++] = (struct azm_attribute){
            .key = AZM_TEXT("azmonlog.gap.entries"), .type = AZM_VALUE_INT, .integer = (int64_t)g->entries};
    if (k == 0 && g->about)
        k = add_text(arena, attributes, &n, AZM_TEXT("azmonlog.gap.about"), "true");
    if (k == 0 && g->up_to)
        k = add_text(arena, attributes, &n, AZM_TEXT("azmonlog.gap.up_to"), "true");
    if (k == 0)
        k = add_text(arena, attributes, &n, AZM_TEXT("azmonlog.gap.from"), from);
    if (k == 0)
        k = add_text(arena, attributes, &n, AZM_TEXT("azmonlog.gap.to"), to);
    if (k == 0 && g->file)
        k = add_text(arena, attributes, &n, AZM_TEXT("azmonlog.gap.file"), g->file);
    if (k < 0)
        return k;
    make_uid(g, r.uid);
    r.n_attributes = n;
    r.time_unix_nano = r.observed_time_unix_nano = now_usec * AZM_NSEC_PER_USEC;
    *ret = r;
    return 1;
}

int azm_gaps_add(struct azm_gaps *gaps, struct azm_losses *losses, struct azm_gap *g)
{
    struct azm_gap *items;

    azm_gap_log(g);
    losses->gaps++;
    if (g->counted)
        losses->gap_entries += g->entries;
    items = reallocarray(gaps->items, gaps->n + 1, sizeof *items);
    if (!items) {
        free(g->file);
        return -ENOMEM;
    }
    gaps->items = items;
    items[gaps->n++] = *g;
    return 0;
}

const struct azm_gap *azm_gaps_take(struct azm_gaps *gaps)
{
    if (gaps->next == gaps->n) {
        azm_gaps_free(gaps);
        return NULL;
    }
    return &gaps->items[gaps->next++];
}

void azm_gaps_free(struct azm_gaps *gaps)
{
    for (size_t i = 0; i < gaps->n; i++)
        free(gaps->items[i].file);
    free(gaps->items);
    *gaps = (struct azm_gaps){0};
}

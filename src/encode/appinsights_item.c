/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "encode/appinsights.h"
#include "encode/appinsights_item.h"

#define TYPE_UNITS ((size_t)1024) /* typeName of an exception */

/* An item that is too large loses of these first, down to so many bytes of JSON, before its properties have to give. */
#define MESSAGE_KEEPS ((size_t)1024)
#define STACK_KEEPS ((size_t)4096)

static int append(struct azm_buf *out, struct azm_text t)
{
    return azm_buf_append(out, t.s, t.len);
}

/* Appends `before`, the escaped text, `after`. */
static int append_string(struct azm_buf *out, struct azm_text before, struct azm_text t, struct azm_text after)
{
    if (append(out, before) < 0 || azm_json_append(out, t) < 0)
        return -ENOMEM;
    return append(out, after);
}

/* Verbose 0, Information 1, Warning 2, Error 3, Critical 4 from OTLP's 1..24, in groups of four: TRACE and DEBUG are
 * both verbose. What has no severity is information. */
static unsigned severity_level(uint64_t number)
{
    if (number == 0 || number > 24)
        return 1;
    return number < 9 ? 0 : (unsigned)(number - 1) / 4 - 1;
}

/* Seven digits of a second: Azure counts in 100 ns. */
static int append_time(struct azm_buf *out, uint64_t nsec)
{
    char text[AZM_TIME_TEXT_MAX];

    azm_time_print(nsec / AZM_NSEC_PER_USEC, text);
    if (!*text) /* the first microsecond of 1970 */
        return append(out, AZM_TEXT("1970-01-01T00:00:00.0000000Z"));
    return azm_buf_printf(out,
                          "%.*s%u"
                          "Z",
                          (int)strlen(text) - 1, text, (unsigned)(nsec / 100 % 10));
}

static int append_id(struct azm_buf *out, struct azm_text before, struct azm_text id)
{
    static const char digits[] = "0123456789abcdef";

    if (id.len == 0)
        return 0;
    if (append(out, before) < 0 || azm_buf_reserve(out, 2 * id.len + 1) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < id.len; i++) {
        out->data[out->len++] = (uint8_t)digits[(uint8_t)id.s[i] >> 4];
        out->data[out->len++] = (uint8_t)digits[id.s[i] & 15];
    }
    return azm_buf_append(out, "\"", 1);
}

/* All in front of what can be shortened. */
static int append_head(const struct azm_appinsights_item *item, struct azm_buf *out)
{
    const char *kind = item->is_exception ? "Exception" : "Message";

    if (azm_buf_printf(out, "{\"ver\":1,\"name\":\"Microsoft.ApplicationInsights.%s\",\"time\":\"", kind) < 0 ||
        append_time(out, item->written_nsec) < 0 ||
        azm_buf_printf(out, "\",\"sampleRate\":100,\"iKey\":\"%s\",\"tags\":{", item->ikey) < 0 ||
        append(out, item->tags) < 0 || append_id(out, AZM_TEXT(",\"ai.operation.id\":\""), item->trace_id) < 0 ||
        append_id(out, AZM_TEXT(",\"ai.operation.parentId\":\""), item->span_id) < 0)
        return -ENOMEM;
    return azm_buf_printf(out, "},\"data\":{\"baseType\":\"%sData\",\"baseData\":{\"ver\":2,\"severityLevel\":%u,",
                          kind, severity_level(item->severity_number));
}

/* The long texts of an item. */
struct texts {
    struct azm_json_text type, message, stack;
};

static struct azm_json_text fit(struct azm_text t, const char *otherwise, size_t max_units)
{
    return azm_json_fit(t.len > 0 ? t : azm_text_of(otherwise), max_units, SIZE_MAX);
}

static void choose_texts(const struct azm_appinsights_item *item, struct texts *ret)
{
    bool own = item->is_exception && item->exception_message.len > 0;

    ret->type = fit(item->type, "Exception", TYPE_UNITS);
    ret->message = fit(own ? item->exception_message : item->body, "n/a", AZM_APPINSIGHTS_MESSAGE_UNITS);
    ret->stack = fit(item->stack, "", AZM_APPINSIGHTS_MESSAGE_UNITS);
}

static int append_exception(const struct texts *t, struct azm_buf *out)
{
    bool has_stack = t->stack.text.len > 0;

    if (append_string(out, AZM_TEXT("\"exceptions\":[{\"typeName\":\""), t->type.text, AZM_TEXT("\",")) < 0 ||
        append_string(out, AZM_TEXT("\"message\":\""), t->message.text, AZM_TEXT("\",\"hasFullStack\":")) < 0 ||
        append(out, has_stack && !t->stack.cut ? AZM_TEXT("true") : AZM_TEXT("false")) < 0)
        return -ENOMEM;
    if (has_stack && append_string(out, AZM_TEXT(",\"stack\":\""), t->stack.text, AZM_TEXT("\"")) < 0)
        return -ENOMEM;
    return append(out, AZM_TEXT("}],"));
}

/* All that can be shortened, and the end. */
static int append_tail(const struct azm_appinsights_item *item, const struct texts *t, const struct azm_properties *l,
                       struct azm_buf *out)
{
    int r = item->is_exception ? append_exception(t, out)
                               : append_string(out, AZM_TEXT("\"message\":\""), t->message.text, AZM_TEXT("\","));

    if (r < 0 || append(out, AZM_TEXT("\"properties\":{")) < 0 || azm_properties_append(l, out) < 0)
        return -ENOMEM;
    return append(out, AZM_TEXT("}}}}\n"));
}

/* Makes the text about `excess` bytes of JSON shorter, but keeps so many: returns how many bytes too many are left. */
static size_t shorten(struct azm_json_text *t, size_t excess, size_t keeps)
{
    size_t before = t->json_bytes;

    if (excess > 0 && before > keeps)
        *t = azm_json_fit(t->text, SIZE_MAX, MAX(keeps, before - MIN(before, excess)));
    return excess - MIN(excess, before - t->json_bytes);
}

/* Takes `excess` bytes out of an item that is too large. The tags, and what the texts keep, are far less than an item
 * may have, so that there is an end. */
static void shrink(struct texts *t, struct azm_properties *l, size_t excess)
{
    size_t before = azm_properties_json_bytes(l), bytes;

    l->truncated = true;
    bytes = azm_properties_json_bytes(l);
    excess += bytes - before;
    excess = shorten(&t->message, excess, MESSAGE_KEEPS);
    if (excess > 0 && t->stack.json_bytes > STACK_KEEPS)
        excess = shorten(&t->stack, excess + 1, STACK_KEEPS); /* "false" is longer than "true" */
    if (excess > 0)
        azm_properties_shrink(l, bytes - excess);
}

int azm_appinsights_append_item(const struct azm_appinsights_item *item, struct azm_properties *l, struct azm_buf *out)
{
    size_t start = out->len, tail, len;
    struct texts t;

    choose_texts(item, &t);
    l->truncated |= t.message.cut || (item->is_exception && (t.type.cut || t.stack.cut));
    if (append_head(item, out) < 0)
        goto fail;
    tail = out->len;
    if (append_tail(item, &t, l, out) < 0)
        goto fail;
    len = out->len - start - 1;
    if (len <= AZM_APPINSIGHTS_ITEM_MAX)
        return 0;
    /* Rare: so it is written twice, rather than measured every time. */
    out->len = tail;
    shrink(&t, l, len - AZM_APPINSIGHTS_ITEM_MAX);
    if (append_tail(item, &t, l, out) == 0)
        return 0;
fail:
    out->len = start;
    return -ENOMEM;
}

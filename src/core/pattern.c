/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/pattern.h"
#include "core/utf8.h"

/* From one place of the text on; PCRE2's measure. Linear patterns are far from it, exponential ones reach it within
 * milliseconds. */
#define STEPS_MAX 20000

/* Where patterns are interpreted: kibibytes, and nested groups and repetitions. */
#define HEAP_MAX_KIB 4096
#define DEPTH_MAX 20000

#define JIT_STACK_BYTES ((size_t)32 << 10)
#define JIT_STACK_MAX_BYTES ((size_t)1 << 20)

#define SHOWN_BYTES 24 /* of the pattern, before the place of an error */

struct azm_pattern {
    pcre2_code *code;      /* for texts that are valid UTF-8 */
    pcre2_code *malformed; /* for others; NULL: there are none */
};

struct azm_matcher {
    pcre2_match_context *context;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
};

static size_t characters(const char *s, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    return n;
}

static int say_wrong(const char *words, int code, size_t at, struct azm_error *err)
{
    size_t first = at > SHOWN_BYTES ? at - SHOWN_BYTES : 0;
    PCRE2_UCHAR why[160];

    while (first < at && ((unsigned char)words[first] & 0xc0) == 0x80) /* not within a character */
        first++;
    pcre2_get_error_message(code, why, sizeof why);
    if (at == 0)
        return azm_error_set(err, EINVAL, "the pattern is wrong at its beginning: %s", (const char *)why);
    return azm_error_set(err, EINVAL, "the pattern is wrong behind character %zu, which is the end of '%s%.*s': %s",
                         characters(words, at), first > 0 ? "..." : "", (int)(at - first), words + first,
                         (const char *)why);
}

static int check_words(const char *words, struct azm_error *err)
{
    size_t len = strlen(words), valid;

    if (len == 0 || len > AZM_PATTERN_MAX)
        return azm_error_set(err, EINVAL, "a pattern has 1 to %d bytes", AZM_PATTERN_MAX);
    valid = azm_utf8_valid_prefix(words, len);
    if (valid < len)
        return azm_error_set(err, EINVAL, "the pattern is no UTF-8 behind character %zu; write the byte as \\x{...}",
                             characters(words, valid));
    return 0;
}

static int compile(const char *words, uint32_t options, pcre2_code **ret, struct azm_error *err)
{
    size_t len = strlen(words), at;
    int code;

    *ret = pcre2_compile((PCRE2_SPTR)words, len, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | options, &code, &at, NULL);
    return *ret ? 0 : say_wrong(words, code, MIN(at, len), err);
}

int azm_pattern_new_utf8(const char *words, struct azm_pattern **ret, struct azm_error *err)
{
    struct azm_pattern *p;
    int r = check_words(words, err);

    *ret = NULL;
    if (r < 0)
        return r;
    p = calloc(1, sizeof *p);
    if (!p)
        return azm_error_set(err, ENOMEM, "out of memory");
    r = compile(words, 0, &p->code, err);
    if (r < 0) {
        azm_pattern_free(p);
        return r;
    }
    (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* without it, it is interpreted */
    *ret = p;
    return 0;
}

/* Malformed texts are rare, and always interpreted: compiled for them, by PCRE2 10.42 (Debian 12), \S, \D and \W match
 * no character beyond ASCII. */
int azm_pattern_new(const char *words, struct azm_pattern **ret, struct azm_error *err)
{
    int r = azm_pattern_new_utf8(words, ret, err);

    if (r < 0)
        return r;
    r = compile(words, PCRE2_MATCH_INVALID_UTF, &(*ret)->malformed, err);
    if (r < 0)
        *ret = azm_pattern_free(*ret);
    return r;
}

struct azm_pattern *azm_pattern_free(struct azm_pattern *p)
{
    if (p) {
        pcre2_code_free(p->code);
        pcre2_code_free(p->malformed);
    }
    free(p);
    return NULL;
}

size_t azm_pattern_get_needs(const struct azm_pattern *p, char ret[static 2])
{
    static const uint32_t what[][2] = {{PCRE2_INFO_FIRSTCODETYPE, PCRE2_INFO_FIRSTCODEUNIT},
                                       {PCRE2_INFO_LASTCODETYPE, PCRE2_INFO_LASTCODEUNIT}};
    uint32_t type, unit;
    size_t n = 0;

    for (size_t i = 0; i < ELEMENTSOF(what); i++)
        if (pcre2_pattern_info(p->code, what[i][0], &type) == 0 && type == 1 &&
            pcre2_pattern_info(p->code, what[i][1], &unit) == 0)
            ret[n++] = (char)unit;
    return n;
}

int azm_matcher_new(struct azm_matcher **ret)
{
    struct azm_matcher *m = calloc(1, sizeof *m);

    *ret = NULL;
    if (!m)
        return -ENOMEM;
    m->context = pcre2_match_context_create(NULL);
    m->data = pcre2_match_data_create(1, NULL); /* only the whole match is asked for */
    m->stack = pcre2_jit_stack_create(JIT_STACK_BYTES, JIT_STACK_MAX_BYTES, NULL);
    if (!m->context || !m->data) { /* a stack there is only where there is a compiler */
        azm_matcher_free(m);
        return -ENOMEM;
    }
    pcre2_set_match_limit(m->context, STEPS_MAX);
    pcre2_set_heap_limit(m->context, HEAP_MAX_KIB);
    pcre2_set_depth_limit(m->context, DEPTH_MAX);
    pcre2_jit_stack_assign(m->context, NULL, m->stack);
    *ret = m;
    return 0;
}

struct azm_matcher *azm_matcher_free(struct azm_matcher *m)
{
    if (!m)
        return NULL;
    pcre2_jit_stack_free(m->stack);
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    free(m);
    return NULL;
}

int azm_pattern_match(const struct azm_pattern *p, struct azm_matcher *m, struct azm_text text, size_t from,
                      size_t *ret_start, size_t *ret_end)
{
    const char *s = text.s ? text.s : "";
    const bool malformed = p->malformed && azm_utf8_valid_prefix(s, text.len) < text.len;
    const size_t *place;
    int r = pcre2_match(malformed ? p->malformed : p->code, (PCRE2_SPTR)s, text.len, from,
                        PCRE2_NOTEMPTY | (malformed ? 0 : PCRE2_NO_UTF_CHECK), m->data, m->context);

    if (r == PCRE2_ERROR_NOMATCH)
        return 0;
    if (r == PCRE2_ERROR_NOMEMORY)
        return -ENOMEM;
    if (r < 0) /* a limit; all else is a pattern that PCRE2 cannot follow any further */
        return -EOVERFLOW;
    place = pcre2_get_ovector_pointer(m->data);
    /* With \K within a lookahead or lookbehind a match may begin behind its end, or before the place asked for. */
    if (place[0] < from || place[0] >= place[1])
        return -EOVERFLOW;
    if (ret_start)
        *ret_start = place[0];
    if (ret_end)
        *ret_end = place[1];
    return 1;
}

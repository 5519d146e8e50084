/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/resource.h>

#include "core/buf.h"
#include "core/pattern.h"
#include "tests/unit/test.h"

static struct azm_matcher *matcher;
static bool interpreted;

static struct azm_pattern *compile(const char *words)
{
    struct azm_pattern *p;
    struct azm_error err;

    if (!matcher)
        ck_assert_int_eq(azm_matcher_new(&matcher), 0);
    ck_assert_msg(azm_pattern_new(words, &p, &err) == 0, "%s: %s", words, err.words);
    return p;
}

/* What `words` finds in `text` from `from` on; its result in *ret. Tests run twice: once as patterns are on most
 * machines, once interpreted, as they are where a program cannot make code. */
static struct azm_text find(const char *words, struct azm_text text, size_t from, int *ret)
{
    char interpreted_words[AZM_PATTERN_MAX + 1];
    struct azm_pattern *p;
    size_t start = 0, end = 0;

    snprintf(interpreted_words, sizeof interpreted_words, "(*NO_JIT)%s", words);
    p = compile(interpreted ? interpreted_words : words);
    *ret = azm_pattern_match(p, matcher, text, from, &start, &end);
    azm_pattern_free(p);
    return (struct azm_text){text.s + start, end - start};
}

START_TEST(matches)
{
    static const struct {
        const char *pattern, *text, *match; /* NULL: none */
        size_t from;
    } table[] = {
        {"b+", "abbbc", "bbb", 0},
        {"b+", "abbbc", "bb", 2},
        {"b+", "abbbc", NULL, 4},
        {"(?<=a)b", "ab", "b", 1}, /* sees what stands before */
        {"^b", "ab", NULL, 1},
        {"key=\\K\\w+", "a key=xyz", "xyz", 0},
        {"(?i)ÄRGER", "viel ärger", "ärger", 0},
        {"a.b", "aäb", "aäb", 0}, /* a character, not a byte */
        {"\\d", "٣", NULL, 0},    /* ASCII's classes */
        {"a\\S", "aäb", "aä", 0},
        {"\\D\\W", "1äß", "äß", 0},
        {"x*", "aaa", NULL, 0}, /* a match of nothing is none */
        {"x*", "aax", "x", 0},
        {"(a)(b)(c)(d)", "abcd", "abcd", 0},
        {"a", "", NULL, 0},
    };

    interpreted = _i == 1;
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        int r;
        struct azm_text t = find(table[i].pattern, azm_text_of(table[i].text), table[i].from, &r);

        ck_assert_msg(r == (table[i].match != NULL), "%s: %d", table[i].pattern, r);
        if (table[i].match)
            ck_assert_msg(azm_text_equal(t, azm_text_of(table[i].match)), "%s", table[i].pattern);
    }
}
END_TEST

/* For texts that are known to be valid: the same, far from the text's beginning, too. */
START_TEST(valid_text)
{
    char words[64];
    struct azm_pattern *p;
    size_t start, end;

    interpreted = _i == 1;
    azm_pattern_free(compile("x")); /* makes the matcher */
    snprintf(words, sizeof words, "%s(?<=ä)ö+", interpreted ? "(*NO_JIT)" : "");
    ck_assert_int_eq(azm_pattern_new_utf8(words, &p, NULL), 0);
    ck_assert_int_eq(azm_pattern_match(p, matcher, AZM_TEXT("ööäöö"), 6, &start, &end), 1);
    ck_assert_uint_eq(start, 6);
    ck_assert_uint_eq(end, 10);
    ck_assert_int_eq(azm_pattern_match(p, matcher, AZM_TEXT("ööäöö"), 10, &start, &end), 0);
    azm_pattern_free(p);
    ck_assert_int_eq(azm_pattern_new_utf8("(", &p, NULL), -EINVAL);
    ck_assert_ptr_null(p);
}
END_TEST

/* Bytes that are no UTF-8 match nothing, not even a dot, and the text on both sides of them is found. */
START_TEST(malformed_text)
{
    const struct azm_text text = AZM_TEXT("ab\xff"
                                          "cd\xe2\x82"
                                          "ef\0gh");
    int r;

    interpreted = _i == 1;
    ck_assert(azm_text_equal(find("cd", text, 0, &r), AZM_TEXT("cd")));
    ck_assert(azm_text_equal(find("ef.gh", text, 0, &r), AZM_TEXT("ef\0gh")));
    find("b.c", text, 0, &r);
    ck_assert_int_eq(r, 0);
    ck_assert(azm_text_equal(find("[^x]+", text, 2, &r), AZM_TEXT("cd")));
    ck_assert(azm_text_equal(find("a\\S", AZM_TEXT("aä\xff"), 0, &r), AZM_TEXT("aä")));
    ck_assert_int_eq(find("a", (struct azm_text){NULL, 0}, 0, &r).len, 0);
    ck_assert_int_eq(r, 0);
}
END_TEST

START_TEST(wrong_patterns)
{
    static const struct {
        const char *pattern, *words;
    } table[] = {
        {"", "1 to 4096 bytes"},
        {"a(b", "behind character 3, which is the end of 'a(b': missing closing parenthesis"},
        {"äöü[z-a]", ", which is the end of 'äöü[z-"},
        {"*a", "quantifier does not follow a repeatable item"},
        {"0123456789012345678901234567890(?", "which is the end of '...9012345678"},
        {"a\\Cb", "\\C"},
        {"a\xff", "no UTF-8 behind character 1"},
        {"(?:(?:a{1000}){1000}){1000}", "too large"},
    };
    struct azm_pattern *p;
    struct azm_error err;

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        ck_assert_int_eq(azm_pattern_new(table[i].pattern, &p, &err), -EINVAL);
        ck_assert_ptr_null(p);
        ck_assert_msg(strstr(err.words, table[i].words), "%s: %s", table[i].pattern, err.words);
    }
}
END_TEST

START_TEST(long_patterns)
{
    char words[AZM_PATTERN_MAX + 2];
    struct azm_pattern *p;
    struct azm_error err;

    memset(words, 'a', sizeof words);
    words[AZM_PATTERN_MAX + 1] = '\0';
    ck_assert_int_eq(azm_pattern_new(words, &p, &err), -EINVAL);
    words[AZM_PATTERN_MAX] = '\0';
    azm_pattern_free(compile(words));
}
END_TEST

static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6;
}

/* Each of these would take longer than anybody lives on this text, or more memory than there is. */
START_TEST(catastrophic_patterns)
{
    static const char *const table[] = {"(a+)+\\d?x?[^a]",
                                        "(a|aa)+$",
                                        "(a*)*b",
                                        "a*a*a*a*a*[^a]",
                                        "(.*)(.*)(.*)(.*)(.*)\\d",
                                        "((a)|(aa)|(aaa))*b\\b",
                                        "(?=(a+))*a*b",
                                        "^(?:a?){60}a{60}$",
                                        "(?<x>a|(?&x)a|b)*c"};
    char as[65536];
    size_t n_overflows = 0;
    double before;

    interpreted = _i == 1;
    memset(as, 'a', sizeof as);
    before = cpu_seconds();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        int r;

        find(table[i], (struct azm_text){as, sizeof as}, 0, &r);
        ck_assert_msg(r == 0 || r == -EOVERFLOW, "%s: %d", table[i], r);
        n_overflows += r == -EOVERFLOW;
    }
    ck_assert_uint_ge(n_overflows, 3);
    /* That they end at all is the point. */
    ck_assert_msg(cpu_seconds() - before < 300, "%f s", cpu_seconds() - before);
}
END_TEST

/* With _i 0 and 1, of which each sets `interpreted`. */
static void add_loop_test(Suite *s, const char *name, const TTest *test)
{
    TCase *c = tcase_create(name);

    tcase_set_timeout(c, 600);
    tcase_add_loop_test(c, test, 0, 2);
    suite_add_tcase(s, c);
}

static void add_tests(Suite *s)
{
    add_loop_test(s, "matches", matches);
    add_loop_test(s, "valid_text", valid_text);
    add_loop_test(s, "malformed_text", malformed_text);
    add_test(s, "wrong_patterns", wrong_patterns);
    add_test(s, "long_patterns", long_patterns);
    add_loop_test(s, "catastrophic_patterns", catastrophic_patterns);
}

TEST_MAIN("pattern", add_tests)

/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "core/record.h"
#include "source/uid.h"
#include "tests/unit/test.h"

/* One journal entry, as far as its uid is concerned. */
struct line {
    uint64_t realtime, monotonic;
    uint8_t boot; /* all bytes of the boot id */
    const char *fields[4];
};

struct uid {
    uint8_t bytes[16];
};

static XXH128_hash_t sum_of(const char *const *fields, size_t n)
{
    XXH128_hash_t sum = {0, 0};

    for (size_t i = 0; i < n && fields[i]; i++)
        azm_uid_add_field(&sum, fields[i], strlen(fields[i]));
    return sum;
}

static struct uid next(struct azm_uid_state *u, const struct line *l)
{
    struct uid uid;
    sd_id128_t boot;

    memset(&boot, l->boot, sizeof boot);
    ck_assert_int_eq(
        azm_uid_next(u, boot, l->monotonic, l->realtime, sum_of(l->fields, ELEMENTSOF(l->fields)), uid.bytes), 0);
    return uid;
}

/* The uid of the first such entry. */
static struct uid uid_of(const struct line *l)
{
    struct azm_uid_state u = {0};
    struct uid uid = next(&u, l);

    azm_uid_state_free(&u);
    return uid;
}

static bool equal(struct uid a, struct uid b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uid));
}

static void check_distinct(struct uid *uids, size_t n)
{
    qsort(uids, n, sizeof *uids, compare);
    for (size_t i = 1; i < n; i++)
        ck_assert_msg(!equal(uids[i - 1], uids[i]), "two of %zu uids are equal", n);
}

static const struct line line_a = {1700000000000000, 5000000, 1, {"MESSAGE=a", "PRIORITY=6", "_PID=7"}};
static const struct line line_b = {1700000000000000, 5000000, 1, {"MESSAGE=b", "PRIORITY=6", "_PID=7"}};

/* A program writes 1,000 equal lines at once; journald stamps them with one time. */
START_TEST(equal_entries_have_distinct_uids)
{
    struct azm_uid_state u = {0};
    struct uid uids[1000];

    for (size_t i = 0; i < ELEMENTSOF(uids); i++)
        uids[i] = next(&u, &line_a);
    check_distinct(uids, ELEMENTSOF(uids));
    azm_uid_state_free(&u);
}
END_TEST

/* Two files may be merged in another order next time: the n-th A has its uid wherever the Bs are. */
START_TEST(other_entries_in_between_change_nothing)
{
    static const char *const orders[] = {"AAAABBBB", "BBBBAAAA", "ABABABAB", "BABAABAB", "AABBAABB"};
    struct uid expected[2][4];

    for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
        struct azm_uid_state u = {0};
        size_t n[2] = {0};

        for (const char *c = orders[i]; *c; c++) {
            struct uid uid = next(&u, *c == 'A' ? &line_a : &line_b);
            size_t kind = (size_t)(*c - 'A'), k = n[kind]++;

            if (i == 0)
                expected[kind][k] = uid;
            else
                ck_assert_msg(equal(uid, expected[kind][k]), "%s: number %zu of %c", orders[i], k, *c);
        }
        azm_uid_state_free(&u);
    }
    check_distinct(&expected[0][0], 8);
}
END_TEST

/* Read again from the start, an entry has the uid it had; that is what the uid is for. */
START_TEST(the_same_entry_has_the_same_uid)
{
    struct azm_uid_state u = {0};
    struct line later = line_a, other_boot = line_a;
    struct uid first[4];

    later.monotonic++;
    other_boot.boot++;
    for (int round = 0; round < 3; round++) {
        struct uid now[4] = {next(&u, &line_a), next(&u, &line_a), next(&u, &other_boot), next(&u, &later)};

        if (round == 0)
            memcpy(first, now, sizeof first);
        ck_assert_mem_eq(first, now, sizeof first);
    }
    azm_uid_state_free(&u);
    ck_assert(equal(uid_of(&line_a), first[0]));
    ck_assert(equal(uid_of(&other_boot), first[2]));
    ck_assert(equal(uid_of(&later), first[3]));
}
END_TEST

START_TEST(order_of_fields_does_not_matter)
{
    static const unsigned orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 3, 0, 1}, {3, 0, 1, 2}};
    static const char *const fields[] = {"A=1", "B=2", "A=1", "C="};
    struct line l = line_a;
    struct uid expected;

    for (size_t i = 0; i < ELEMENTSOF(orders); i++) {
        for (size_t k = 0; k < 4; k++)
            l.fields[k] = fields[orders[i][k]];
        if (i == 0)
            expected = uid_of(&l);
        ck_assert(equal(uid_of(&l), expected));
    }
}
END_TEST

/* Every bit of a field, and everything else that tells two entries apart. */
START_TEST(any_change_changes_the_uid)
{
    static const struct line others[] = {
        {1700000000000000, 5000000, 1, {"MESSAGE=a", "PRIORITY=6", "_PID=7"}},
        {1700000000000001, 5000000, 1, {"MESSAGE=a", "PRIORITY=6", "_PID=7"}},
        {1700000000000000, 5000001, 1, {"MESSAGE=a", "PRIORITY=6", "_PID=7"}},
        {5000000, 1700000000000000, 1, {"MESSAGE=a", "PRIORITY=6", "_PID=7"}}, /* the two times swapped */
        {1700000000000000, 5000000, 2, {"MESSAGE=a", "PRIORITY=6", "_PID=7"}},
        {1700000000000000, 5000000, 1, {"MESSAGE=a", "PRIORITY=6"}},
        {1700000000000000, 5000000, 1, {"MESSAGE=a", "PRIORITY=6", "_PID=7", "_PID=7"}}, /* a field twice */
        {1700000000000000, 5000000, 1, {"MESSAGE=a", "MESSAGE=a", "PRIORITY=6", "_PID=7"}},
        {1700000000000000, 5000000, 1, {"MESSAGE=a", "PRIORITY=6", "_PID=7", ""}},
        {1700000000000000, 5000000, 1, {"MESSAGE=aPRIORITY=6", "_PID=7"}}, /* the same bytes, other borders */
        {1700000000000000, 5000000, 1, {"MESSAGE=a_PID=7", "PRIORITY=6"}},
        {1700000000000000, 5000000, 1, {NULL}},
        {0, 0, 0, {NULL}},
    };
    struct uid uids[ELEMENTSOF(others) + 8 * 9];
    char message[] = "MESSAGE=a";
    struct line l = line_a;
    size_t n = 0;

    for (size_t i = 0; i < ELEMENTSOF(others); i++)
        uids[n++] = uid_of(&others[i]);
    l.fields[0] = message;
    for (size_t i = 0; i < 8 * strlen(line_a.fields[0]); i++) {
        message[i / 8] = (char)(message[i / 8] ^ 1 << i % 8);
        uids[n++] = uid_of(&l);
        message[i / 8] = (char)(message[i / 8] ^ 1 << i % 8);
    }
    ck_assert_uint_eq(n, ELEMENTSOF(uids));
    check_distinct(uids, n);
}
END_TEST

/* A new version must compute what the old one did: what that sent may still be on its way. The values come from a few
 * lines of Python over libxxhash: XXH3_128bits(boot, monotonic, real time, sum of the fields' XXH3_128bits, ordinal).
 */
START_TEST(the_recipe_stays)
{
    static const uint8_t expected[][16] = {
        {0xEF, 0x11, 0x36, 0xD9, 0xBB, 0x9D, 0x65, 0x31, 0xE3, 0x14, 0x7A, 0xAA, 0xE5, 0xE2, 0x31, 0x79},
        {0x72, 0x95, 0xAA, 0x45, 0x6B, 0x90, 0x86, 0x2F, 0x96, 0xBA, 0x48, 0xA9, 0x73, 0x8E, 0xAD, 0x72},
    };
    struct azm_uid_state u = {0};

    for (size_t i = 0; i < ELEMENTSOF(expected); i++)
        ck_assert_mem_eq(next(&u, &line_a).bytes, expected[i], sizeof expected[i]);
    azm_uid_state_free(&u);
}
END_TEST

/* --- the checkpoint --- */

/* Prints the state and reads it back into a new one. */
static void restart(struct azm_uid_state *u)
{
    struct azm_buf lines = {0};
    char *save = NULL;

    ck_assert_int_eq(azm_uid_state_print(u, &lines), 0);
    ck_assert_int_eq(azm_buf_append(&lines, "", 1), 0);
    azm_uid_state_free(u);
    for (char *key = strtok_r((char *)lines.data, "\n", &save); key; key = strtok_r(NULL, "\n", &save)) {
        char *value = strchr(key, '=');

        ck_assert_ptr_nonnull(value);
        *value++ = '\0';
        ck_assert_int_eq(azm_uid_state_parse(u, key, value), 1);
    }
    azm_buf_free(&lines);
}

/* Groups of 1 .. 40 entries of one time, with few and with many different contents. */
static size_t make_lines(struct line *ret, size_t max)
{
    static char messages[64][16];
    size_t n = 0;

    for (size_t i = 0; i < ELEMENTSOF(messages); i++)
        snprintf(messages[i], sizeof messages[i], "MESSAGE=%zu", i);
    for (size_t group = 0; n < max; group++)
        for (size_t i = 0; i <= group * 7 % 40 && n < max; i++) {
            ret[n] = line_a;
            ret[n].boot = (uint8_t)(group / 10);
            ret[n].realtime += group / 3;
            ret[n].monotonic += group;
            ret[n++].fields[0] = messages[group % 2 ? i % 3 : i];
        }
    return n;
}

START_TEST(a_restart_at_any_point_changes_nothing)
{
    struct line lines[300];
    struct uid expected[ELEMENTSOF(lines)];
    struct azm_uid_state u = {0};
    size_t n = make_lines(lines, ELEMENTSOF(lines));

    for (size_t i = 0; i < n; i++)
        expected[i] = next(&u, &lines[i]);
    azm_uid_state_free(&u);
    for (size_t cut = 0; cut <= n; cut++) {
        for (size_t i = 0; i < n; i++) {
            if (i == cut)
                restart(&u);
            ck_assert_msg(equal(next(&u, &lines[i]), expected[i]), "cut at %zu: entry %zu differs", cut, i);
        }
        azm_uid_state_free(&u);
    }
    for (size_t i = 0; i < n; i++) { /* and at all of them */
        restart(&u);
        ck_assert(equal(next(&u, &lines[i]), expected[i]));
    }
    azm_uid_state_free(&u);
}
END_TEST

/* Thousands of different entries with one time: far beyond the size that is kept from group to group. */
START_TEST(a_large_group)
{
    static struct uid uids[2 * 3000];
    struct azm_uid_state u = {0};
    struct line l = line_a;
    char message[32];

    l.fields[0] = message;
    for (size_t i = 0; i < ELEMENTSOF(uids); i++) {
        snprintf(message, sizeof message, "MESSAGE=%zu", i % 3000);
        if (i % 1000 == 500)
            restart(&u);
        uids[i] = next(&u, &l);
    }
    check_distinct(uids, ELEMENTSOF(uids));
    ck_assert(equal(next(&u, &line_b), uid_of(&line_b))); /* same times: the group is still the same one */
    l.monotonic++;
    ck_assert(equal(next(&u, &l), uid_of(&l)));
    azm_uid_state_free(&u);
}
END_TEST

START_TEST(lines_of_a_checkpoint)
{
#define BOOT "0123456789abcdef0123456789abcdef"
    static const struct {
        const char *key, *value;
        int expected;
    } table[] = {
        {"uid_group", BOOT " 1 2", 1},
        {"uid_seen", BOOT " 1", 1},
        {"uid_seen", BOOT " 4294967296", 1},
        {"cursor", "s=1", 0},
        {"uid", "", 0},
        {"uid_grouped", BOOT " 1 2", 0},
        {"uid_group", "", -EBADMSG},
        {"uid_group", BOOT, -EBADMSG},
        {"uid_group", BOOT " 1", -EBADMSG},
        {"uid_group", BOOT " 1 x", -EBADMSG},
        {"uid_group", "0123 1 2", -EBADMSG},
        {"uid_group", "0123456789abcdef0123456789abcdeg 1 2", -EBADMSG},
        {"uid_seen", "", -EBADMSG},
        {"uid_seen", BOOT, -EBADMSG},
        {"uid_seen", BOOT " x", -EBADMSG},
        {"uid_seen", BOOT " 0", -EBADMSG}, /* seen never? */
        {"uid_seen", "0123456789abcdef 1", -EBADMSG},
        {"uid_seen", "xyz 1", -EBADMSG},
    };

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_uid_state u = {0};
        int r = azm_uid_state_parse(&u, table[i].key, table[i].value);

        ck_assert_msg(r == table[i].expected, "%s=%s: %d", table[i].key, table[i].value, r);
        azm_uid_state_free(&u);
    }
}
END_TEST

/* Damage that could pass for a line. A count near 2^63 would make azm_uid_next fail later, and its entries be passed
 * over. */
START_TEST(damage_is_not_overlooked)
{
    static const struct {
        const char *key, *value;
    } table[] = {
        {"uid_group", BOOT "0 1 2"}, /* 33 digits; not boot, 0 and 1 */
        {"uid_group", BOOT " 1 2x"},
        {"uid_group", BOOT " -1 2"},
        {"uid_group", BOOT " 1 99999999999999999999"},
        {"uid_seen", BOOT " 1x"},
        {"uid_seen", BOOT " -1"},
        {"uid_seen", BOOT " 9223372036854775808"},
        {"uid_seen", BOOT " 18446744073709551615"},
        {"uid_seen", BOOT " 99999999999999999999"},
    };
    char overlooked[1024] = "";

    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        struct azm_uid_state u = {0};
        size_t n = strlen(overlooked);

        if (azm_uid_state_parse(&u, table[i].key, table[i].value) != -EBADMSG)
            snprintf(overlooked + n, sizeof overlooked - n, " %s=%s;", table[i].key, table[i].value);
        azm_uid_state_free(&u);
    }
    ck_assert_msg(*overlooked == '\0', "taken for good:%s", overlooked);
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "equal_entries_have_distinct_uids", equal_entries_have_distinct_uids);
    add_test(s, "other_entries_in_between_change_nothing", other_entries_in_between_change_nothing);
    add_test(s, "the_same_entry_has_the_same_uid", the_same_entry_has_the_same_uid);
    add_test(s, "order_of_fields_does_not_matter", order_of_fields_does_not_matter);
    add_test(s, "any_change_changes_the_uid", any_change_changes_the_uid);
    add_test(s, "the_recipe_stays", the_recipe_stays);
    add_test(s, "a_restart_at_any_point_changes_nothing", a_restart_at_any_point_changes_nothing);
    add_test(s, "a_large_group", a_large_group);
    add_test(s, "lines_of_a_checkpoint", lines_of_a_checkpoint);
    add_test(s, "damage_is_not_overlooked", damage_is_not_overlooked);
}

TEST_MAIN("uid", add_tests)

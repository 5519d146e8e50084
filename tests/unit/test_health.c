/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "pipeline/health.h"
#include "tests/unit/test.h"

#define STARTED (1000 * AZM_USEC_PER_SEC)
#define NOW (2000 * AZM_USEC_PER_SEC)
#define FAILING (1900 * AZM_USEC_PER_SEC)
#define MONOTONIC (50 * AZM_USEC_PER_SEC)

static struct azm_exporter_status exporter;
static struct azm_health_facts facts;
static struct azm_health health;

static void all_well(void)
{
    exporter = (struct azm_exporter_status){.state = AZM_EXPORTER_DELIVERING};
    facts = (struct azm_health_facts){
        .now_usec = NOW, .started_usec = STARTED, .now_monotonic_usec = MONOTONIC, .exporter = &exporter};
    health = (struct azm_health){0};
}

static void assert_health(enum azm_condition condition, uint64_t since_usec)
{
    azm_health_judge(&facts, &health);
    ck_assert_str_eq(azm_condition_name(health.condition), azm_condition_name(condition));
    ck_assert_uint_eq(health.since_usec, since_usec);
}

static void failing(enum azm_exporter_state state)
{
    exporter.state = state;
    exporter.failing_since_realtime_usec = FAILING;
    strcpy(exporter.reason, "HTTP 503");
}

START_TEST(well_since_the_start)
{
    all_well();
    assert_health(AZM_IS_WELL, STARTED);
    facts.now_usec += AZM_USEC_PER_SEC;
    assert_health(AZM_IS_WELL, STARTED);
    ck_assert_str_eq(health.reason, "");
    ck_assert_str_eq(health.remedy, "");
}
END_TEST

START_TEST(an_outage_and_its_end)
{
    all_well();
    assert_health(AZM_IS_WELL, STARTED);
    failing(AZM_EXPORTER_RETRYING);
    assert_health(AZM_IS_BEHIND, FAILING);
    ck_assert_str_eq(health.reason, "HTTP 503");
    ck_assert(*health.remedy); /* that there is nothing to do */
    exporter.state = AZM_EXPORTER_HELD;
    strcpy(exporter.remedy, "grant the role");
    assert_health(AZM_IS_HELD, FAILING);
    ck_assert_str_eq(health.remedy, "grant the role");
    /* delivering again, but what waited is not through: still the same state since the first failure that counts */
    exporter = (struct azm_exporter_status){.state = AZM_EXPORTER_DELIVERING};
    facts.behind_usec = 100 * AZM_USEC_PER_SEC;
    assert_health(AZM_IS_BEHIND, NOW - 70 * AZM_USEC_PER_SEC);
    facts.now_usec += 5 * AZM_USEC_PER_SEC;
    facts.behind_usec = 90 * AZM_USEC_PER_SEC; /* it moves, the state does not */
    assert_health(AZM_IS_BEHIND, NOW - 70 * AZM_USEC_PER_SEC);
    facts.behind_usec = 0;
    assert_health(AZM_IS_WELL, NOW + 5 * AZM_USEC_PER_SEC);
    ck_assert_str_eq(health.reason, "");
}
END_TEST

START_TEST(behind_from_thirty_seconds_on)
{
    all_well();
    facts.behind_usec = AZM_BEHIND_USEC;
    assert_health(AZM_IS_WELL, STARTED);
    facts.behind_usec++;
    assert_health(AZM_IS_BEHIND, NOW - 1);
    ck_assert(*health.reason && *health.remedy);
}
END_TEST

START_TEST(throttled)
{
    all_well();
    failing(AZM_EXPORTER_RETRYING);
    exporter.slowed_down = true;
    exporter.throttled_since_realtime_usec = FAILING - 1;
    exporter.throttled_until_usec = MONOTONIC + 1;
    assert_health(AZM_IS_THROTTLED, FAILING - 1);
    ck_assert(strstr(health.reason, "429"));
    /* requests pass again, slowly */
    exporter.state = AZM_EXPORTER_DELIVERING;
    exporter.failing_since_realtime_usec = 0;
    assert_health(AZM_IS_THROTTLED, FAILING - 1);
    /* another failure while they do */
    failing(AZM_EXPORTER_RETRYING);
    exporter.slowed_down = false;
    assert_health(AZM_IS_BEHIND, FAILING);
    /* nothing was sent for a while that could show how fast it may be */
    exporter.state = AZM_EXPORTER_DELIVERING;
    exporter.failing_since_realtime_usec = 0;
    facts.now_monotonic_usec += 2;
    assert_health(AZM_IS_WELL, NOW);
}
END_TEST

START_TEST(held_goes_before_throttled)
{
    all_well();
    failing(AZM_EXPORTER_HELD);
    exporter.throttled_since_realtime_usec = FAILING - 1;
    exporter.throttled_until_usec = MONOTONIC + 1;
    assert_health(AZM_IS_HELD, FAILING);
}
END_TEST

START_TEST(a_full_spool_needs_a_person)
{
    all_well();
    failing(AZM_EXPORTER_RETRYING);
    facts.spool_full = AZM_SPOOL_FULL_LIMIT;
    assert_health(AZM_IS_HELD, FAILING);
    ck_assert(strstr(health.reason, "limit") && strstr(health.reason, "HTTP 503"));
    ck_assert(strstr(health.remedy, "spool_max_bytes="));
    facts.spool_full = AZM_SPOOL_FULL_DISK;
    strcpy(exporter.remedy, "mend it");
    assert_health(AZM_IS_HELD, FAILING);
    ck_assert(strstr(health.reason, "disk"));
    ck_assert(strstr(health.remedy, "room on the disk") && strstr(health.remedy, "mend it"));
}
END_TEST

static void add_tests(Suite *s)
{
    add_test(s, "well_since_the_start", well_since_the_start);
    add_test(s, "an_outage_and_its_end", an_outage_and_its_end);
    add_test(s, "behind_from_thirty_seconds_on", behind_from_thirty_seconds_on);
    add_test(s, "throttled", throttled);
    add_test(s, "held_goes_before_throttled", held_goes_before_throttled);
    add_test(s, "a_full_spool_needs_a_person", a_full_spool_needs_a_person);
}

TEST_MAIN("health", add_tests)

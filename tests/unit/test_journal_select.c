/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "tests/unit/journal_help.h"

/* What [journal] selects, on real files: kinds of conditions must all hold, values of one kind are alternatives. */

#define COREDUMP "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1\n"

/* The fields of entries 1, 2, ...; those from SECOND_BOOT on are of another boot. */
static const char *const fields[] = {
    /* 1..8: of a.service, and about it; what anybody could write about it does not count */
    "_SYSTEMD_UNIT=a.service\nSYSLOG_IDENTIFIER=a\nPRIORITY=6\nSYSLOG_FACILITY=3\n_TRANSPORT=journal\n_UID=0\n",
    "UNIT=a.service\n_PID=1\nSYSLOG_IDENTIFIER=systemd\nPRIORITY=6\nSYSLOG_FACILITY=3\n_TRANSPORT=journal\n",
    "UNIT=a.service\n_PID=200\n_UID=1000\n",
    "OBJECT_SYSTEMD_UNIT=a.service\n_UID=0\n",
    "OBJECT_SYSTEMD_UNIT=a.service\n_UID=1000\n",
    "COREDUMP_UNIT=a.service\n_UID=0\n" COREDUMP,
    "COREDUMP_UNIT=a.service\n_UID=0\n",
    "COREDUMP_UNIT=a.service\n_UID=1000\n" COREDUMP,
    /* 9..15: others */
    "_SYSTEMD_UNIT=b.service\nSYSLOG_IDENTIFIER=b\nPRIORITY=3\nSYSLOG_FACILITY=10\n_TRANSPORT=syslog\n_UID=1000\n",
    "_SYSTEMD_UNIT=aa.service\n_SYSTEMD_SLICE=x.slice\nSYSLOG_IDENTIFIER=aa\nPRIORITY=4\nSYSLOG_FACILITY=1\n_TRANSPORT="
    "stdout\n",
    "SYSLOG_IDENTIFIER=kernel\nPRIORITY=0\nSYSLOG_FACILITY=0\n_TRANSPORT=kernel\n",
    "_SYSTEMD_UNIT=b.service\nSYSLOG_IDENTIFIER=two words, a comma\nPRIORITY=7\n",
    "_SYSTEMD_UNIT=c.socket\n_SYSTEMD_SLICE=y.service\nSYSLOG_FACILITY=1\n", /* no priority */
    "_SYSTEMD_UNIT=b.service\nPRIORITY=99\n",
    "UNIT=b.service\n_PID=1\nPRIORITY=3\nSYSLOG_IDENTIFIER=systemd\n",
    /* 16, 17 */
    "_SYSTEMD_UNIT=a.service\nSYSLOG_IDENTIFIER=a\nPRIORITY=2\nSYSLOG_FACILITY=3\n_TRANSPORT=stdout\n",
    "_SYSTEMD_UNIT=b.service\nSYSLOG_IDENTIFIER=b\nPRIORITY=1\n",
};
#define SECOND_BOOT 16
#define ALL "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"

static void write_fields(void)
{
    write_journal((struct entries){.first = 1, .n = SECOND_BOOT - 1, .boot = '1', .fields = fields});
    write_journal((struct entries){.first = SECOND_BOOT,
                                   .n = ELEMENTSOF(fields) - SECOND_BOOT + 1,
                                   .second = 100,
                                   .boot = '2',
                                   .fields = fields + SECOND_BOOT - 1});
}

static void set(struct azm_config *c, const char *key, const char *value)
{
    struct azm_error err = {""};

    if (azm_config_set(c, "journal", key, value, "test", false, &err) < 0) {
        printf("Bail out! %s\n", err.words);
        exit(EXIT_FAILURE);
    }
}

/* What the handle gives with this configuration, as words. */
static const char *numbers(sd_journal *j, const struct azm_config *c, const sd_id128_t *boot)
{
    static char text[256];
    struct azm_error err;
    size_t len = 0;

    must(azm_journal_select(j, c, boot, &err) == 0, "select");
    must(sd_journal_seek_head(j) >= 0, "seek");
    *text = '\0';
    while (sd_journal_next(j) > 0)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%u", len ? " " : "", number(j));
    return text;
}

static void check_numbers(sd_journal *j, const struct azm_config *c, const sd_id128_t *boot, const char *expected,
                          const char *what)
{
    const char *found = numbers(j, c, boot);

    if (strcmp(found, expected) != 0) {
        printf("# %s: selects '%s', not '%s'\n", what, found, expected);
        failed = true;
    }
}

static sd_journal *open_as(struct azm_config *c)
{
    struct azm_error err;
    sd_journal *j;

    must(azm_journal_open_handle(c, &j, &err) == 0, "open");
    return j;
}

static const struct {
    const char *settings[6]; /* key, value, key, value ... */
    const char *expected;
} table[] = {
    {{"units", "a"}, "1 2 4 6 16"},
    {{"units", "a.service"}, "1 2 4 6 16"},
    {{"units", "b"}, "9 12 14 15 17"},
    {{"units", "c.socket"}, "13"},
    {{"units", "c"}, ""}, /* c.service */
    {{"units", "a b"}, "1 2 4 6 9 12 14 15 16 17"},
    {{"units", "c.socket, aa nothing"}, "10 13"},
    {{"units", "x.slice"}, "10"},
    {{"units", "y"}, ""}, /* a slice only by its name */
    {{"identifiers", "a"}, "1 16"},
    {{"match", "SYSLOG_IDENTIFIER=two words, a comma"}, "12"},
    {{"identifiers", "a", "identifiers", "b"}, "1 9 16 17"},
    {{"facilities", "daemon"}, "1 2 16"},
    {{"facilities", "kern,authpriv"}, "9 11"},
    {{"facilities", "1"}, "10 13"}, /* not 10 */
    {{"transports", "kernel"}, "11"},
    {{"transports", "kernel syslog"}, "9 11"},
    {{"priority", "emerg"}, "11"},
    {{"priority", "err"}, "9 11 15 16 17"},
    {{"priority", "6"}, "1 2 9 10 11 15 16 17"},
    {{"priority", "debug"}, "1 2 9 10 11 12 15 16 17"}, /* one that is none is not given */
    {{"priority", "any"}, ALL},
    {{"match", "_UID=0"}, "1 4 6 7"},
    {{"match", "_UID=0", "match", "_UID=1000"}, "1 3 4 5 6 7 8 9"},
    {{"match", "_UID=0", "match", "COREDUMP_UNIT=a.service"}, "6 7"}, /* as journalctl has it */
    {{"match", "SYSLOG_IDENTIFIER=two words, a comma"}, "12"},
    /* several kinds: all must hold */
    {{"units", "a", "transports", "journal"}, "1 2"},
    {{"units", "a", "priority", "crit"}, "16"},
    {{"units", "a b", "priority", "err"}, "9 15 16 17"},
    {{"units", "a b", "match", "_PID=1"}, "2 15"}, /* not what a match of the unit alone would let through */
    {{"units", "a b", "identifiers", "systemd"}, "2 15"},
    {{"identifiers", "a", "identifiers", "b", "units", "b"}, "9 17"},
    {{"identifiers", "a", "match", "SYSLOG_IDENTIFIER=b"}, ""},
    {{"transports", "journal stdout", "facilities", "daemon", "priority", "info"}, "1 2 16"},
    {{"transports", "journal stdout", "facilities", "daemon", "priority", "crit"}, "16"},
    {{"units", "a", "facilities", "kern"}, ""},
    /* what is excluded is left out after reading only */
    {{"exclude_units", "a", "exclude_identifiers", "b", "exclude_match", "_UID=0"}, ALL},
    {{"units", "a", "exclude_units", "a"}, "1 2 4 6 16"},
    /* lists can be emptied */
    {{"units", "a", "units", ""}, ALL},
    {{"units", "a", "units", "", "units", "b"}, "9 12 14 15 17"},
    {{"priority", "crit", "priority", ""}, ALL},
};

static void selections(void)
{
    write_fields();
    for (size_t i = 0; i < ELEMENTSOF(table); i++) {
        _cleanup_(azm_config_free) struct azm_config c;
        _cleanup_journal_ sd_journal *j = NULL;
        char what[256] = "";

        must(azm_config_init(&c) == 0, "config");
        set(&c, "directory", dir);
        for (const char *const *s = table[i].settings; s < table[i].settings + 6 && *s; s += 2) {
            set(&c, s[0], s[1]);
            snprintf(what + strlen(what), sizeof what - strlen(what), "%s=%s ", s[0], s[1]);
        }
        j = open_as(&c);
        check_numbers(j, &c, NULL, table[i].expected, what);
    }
}

/* One handle, first with one selection and then with another: nothing is left of the first. */
static void selecting_anew(void)
{
    _cleanup_(azm_config_free) struct azm_config c, none;
    _cleanup_journal_ sd_journal *j = NULL;

    write_fields();
    must(azm_config_init(&c) == 0 && azm_config_init(&none) == 0, "config");
    set(&c, "directory", dir);
    j = open_as(&c);
    check_numbers(j, &c, NULL, ALL, "nothing set");
    set(&c, "units", "a");
    set(&c, "priority", "crit");
    check_numbers(j, &c, NULL, "16", "units and priority");
    check_numbers(j, &none, NULL, ALL, "nothing set again");
}

static void of_one_boot(void)
{
    _cleanup_(azm_config_free) struct azm_config c;
    _cleanup_journal_ sd_journal *j = NULL;
    sd_id128_t boot;

    write_fields();
    must(azm_config_init(&c) == 0, "config");
    set(&c, "directory", dir);
    j = open_as(&c);
    memset(&boot, 0x22, sizeof boot);
    check_numbers(j, &c, &boot, "16 17", "second boot");
    set(&c, "units", "a");
    check_numbers(j, &c, &boot, "16", "second boot, a");
    set(&c, "match", "_UID=0");
    check_numbers(j, &c, &boot, "", "second boot, a, root");
    memset(&boot, 0x11, sizeof boot);
    check_numbers(j, &c, &boot, "1 4 6", "first boot, a, root");
    check_numbers(j, &c, NULL, "1 4 6", "a, root");
    memset(&boot, 0x33, sizeof boot);
    check_numbers(j, &c, &boot, "", "no such boot");
}

static void of_single_files(void)
{
    _cleanup_(azm_config_free) struct azm_config c;
    _cleanup_journal_ sd_journal *one = NULL, *two = NULL;

    write_journal((struct entries){.first = 1, .n = 2, .boot = '1', .file = "a.journal", .fields = fields});
    write_journal((struct entries){.first = 3, .n = 2, .second = 10, .uptime = 10, .boot = '1', .file = "b.journal"});
    write_journal((struct entries){.first = 5, .n = 2, .second = 20, .uptime = 20, .boot = '1', .file = "c.journal"});
    must(azm_config_init(&c) == 0, "config");
    set(&c, "file", path("c.journal"));
    one = open_as(&c);
    check_numbers(one, &c, NULL, "5 6", "one file");
    set(&c, "file", path("a.journal"));
    two = open_as(&c);
    check_numbers(two, &c, NULL, "1 2 5 6", "two files");
    set(&c, "units", "a");
    check_numbers(two, &c, NULL, "1 2", "two files, a");
}

/* What the words selects, filters and is_machines stand for. */
static void what_is_set(void)
{
    static const struct {
        const char *key, *value;
        bool selects, filters, foreign;
    } keys[] = {
        {"units", "a", true, true, false},
        {"identifiers", "a", true, true, false},
        {"facilities", "1", true, true, false},
        {"transports", "kernel", true, true, false},
        {"match", "_UID=0", true, true, false},
        {"priority", "emerg", true, true, false},
        {"priority", "any", false, false, false},
        {"exclude_units", "a", false, true, false},
        {"exclude_identifiers", "a", false, true, false},
        {"exclude_match", "_UID=0", false, true, false},
        {"fields", "full", false, false, false},
        {"directory", "/nowhere", false, false, true},
        {"file", "/dev/null", false, false, true},
        {"namespace", "x", false, false, false},
        {"scope", "system", false, false, false},
    };

    for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
        _cleanup_(azm_config_free) struct azm_config c;

        must(azm_config_init(&c) == 0, "config");
        expect(!azm_journal_selects(&c) && !azm_journal_filters(&c) && azm_journal_is_machines(&c));
        set(&c, keys[i].key, keys[i].value);
        if (azm_journal_selects(&c) != keys[i].selects || azm_journal_filters(&c) != keys[i].filters ||
            azm_journal_is_machines(&c) == keys[i].foreign) {
            printf("# %s=%s is not understood\n", keys[i].key, keys[i].value);
            failed = true;
        }
    }
}

static void a_journal_that_is_not_there(void)
{
    _cleanup_(azm_config_free) struct azm_config c;
    struct azm_error err = {""};
    sd_journal *j = NULL;

    must(azm_config_init(&c) == 0, "config");
    set(&c, "directory", path("nothing"));
    expect(azm_journal_open_handle(&c, &j, &err) == -ENOENT);
    expect(strstr(err.words, "the journal: cannot open it: No such file") == err.words);
    expect(j == NULL);
}

static const struct journal_test tests[] = {
    {"selections", selections},   {"selecting_anew", selecting_anew},
    {"of_one_boot", of_one_boot}, {"of_single_files", of_single_files},
    {"what_is_set", what_is_set}, {"a_journal_that_is_not_there", a_journal_that_is_not_there},
};

int main(void)
{
    return run_journal_tests(tests, ELEMENTSOF(tests));
}

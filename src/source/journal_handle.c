/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "source/journal_handle.h"

/* While it opens files libsystemd has those of their folders open, too, and none when it comes back; and another thread
 * may just have closed some connections. */
#define SPARE_DESCRIPTORS 8

bool azm_journal_selects(const struct azm_config *c)
{
    return c->units.n > 0 || c->identifiers.n > 0 || c->facilities.n > 0 || c->transports.n > 0 || c->matches.n > 0 ||
           c->priority >= 0;
}

bool azm_journal_filters(const struct azm_config *c)
{
    return azm_journal_selects(c) || c->exclude_units.n > 0 || c->exclude_identifiers.n > 0 || c->exclude_matches.n > 0;
}

bool azm_journal_is_machines(const struct azm_config *c)
{
    return !*c->journal_directory && c->journal_files.n == 0;
}

static int add_match(sd_journal *j, const char *field, const char *value)
{
    _cleanup_free_ char *match = NULL;

    if (asprintf(&match, "%s=%s", field, value) < 0)
        return -ENOMEM;
    return sd_journal_add_match(j, match, 0);
}

/* Matches of one field are alternatives, those of different fields must all hold; a conjunction closes the group. */
static int select_by_field(sd_journal *j, const char *field, const struct azm_key_values *values)
{
    int r = 0;

    for (size_t i = 0; i < values->n && r >= 0; i++)
        r = add_match(j, field, values->items[i].key);
    return r < 0 ? r : sd_journal_add_conjunction(j);
}

/* What belongs to a unit, as journalctl -u sees it: what it logged, and what the manager, the core dump handler and
 * root's services say about it; of a slice, also what its units logged. */
static int select_unit(sd_journal *j, const char *unit)
{
    static const char *const groups[][3] = {
        {"_SYSTEMD_UNIT", NULL, NULL},
        {"UNIT", "_PID=1", NULL},
        {"OBJECT_SYSTEMD_UNIT", "_UID=0", NULL},
        {"COREDUMP_UNIT", "_UID=0", "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1"},
        {"_SYSTEMD_SLICE", NULL, NULL},
    };
    const char *suffix = strrchr(unit, '.');
    size_t n = ELEMENTSOF(groups) - (suffix && strcmp(suffix, ".slice") == 0 ? 0 : 1);
    int r = 0;

    for (size_t i = 0; i < n && r >= 0; i++) {
        r = sd_journal_add_disjunction(j);
        if (r >= 0)
            r = add_match(j, groups[i][0], unit);
        for (size_t k = 1; k < 3 && groups[i][k] && r >= 0; k++)
            r = sd_journal_add_match(j, groups[i][k], 0);
    }
    return r < 0 ? r : sd_journal_add_disjunction(j);
}

static int select_units(sd_journal *j, const struct azm_key_values *units)
{
    int r = 0;

    for (size_t i = 0; i < units->n && r >= 0; i++)
        r = select_unit(j, units->items[i].key);
    return r < 0 ? r : sd_journal_add_conjunction(j);
}

static int select_priority(sd_journal *j, int worst_to)
{
    int r = 0;

    for (int i = 0; i <= worst_to && r >= 0; i++) {
        char match[] = "PRIORITY=0";

        match[sizeof(match) - 2] = (char)('0' + i);
        r = sd_journal_add_match(j, match, 0);
    }
    return r < 0 ? r : sd_journal_add_conjunction(j);
}

static int select_matches(sd_journal *j, const struct azm_key_values *matches)
{
    int r = 0;

    for (size_t i = 0; i < matches->n && r >= 0; i++)
        r = sd_journal_add_match(j, matches->items[i].key, 0);
    return r < 0 ? r : sd_journal_add_conjunction(j);
}

static int select_boot(sd_journal *j, const sd_id128_t *boot)
{
    char match[64];
    int r;

    if (!boot)
        return 0;
    snprintf(match, sizeof match, "_BOOT_ID=" SD_ID128_FORMAT_STR, SD_ID128_FORMAT_VAL(*boot));
    r = sd_journal_add_match(j, match, 0);
    return r < 0 ? r : sd_journal_add_conjunction(j);
}

int azm_journal_select(sd_journal *j, const struct azm_config *c, const sd_id128_t *boot, struct azm_error *err)
{
    int r;

    sd_journal_flush_matches(j);
    r = select_boot(j, boot);
    if (r >= 0)
        r = select_units(j, &c->units);
    if (r >= 0)
        r = select_by_field(j, "SYSLOG_IDENTIFIER", &c->identifiers);
    if (r >= 0)
        r = select_by_field(j, "SYSLOG_FACILITY", &c->facilities);
    if (r >= 0)
        r = select_by_field(j, "_TRANSPORT", &c->transports);
    if (r >= 0)
        r = select_priority(j, c->priority);
    if (r >= 0)
        r = select_matches(j, &c->matches);
    return r < 0 ? azm_error_set(err, r, "the journal: cannot select what [journal] says: %m") : 0;
}

static int open_files(const struct azm_key_values *files, sd_journal **ret)
{
    _cleanup_free_ const char **paths = calloc(files->n + 1, sizeof *paths);

    if (!paths)
        return -ENOMEM;
    for (size_t i = 0; i < files->n; i++)
        paths[i] = files->items[i].key;
    return sd_journal_open_files(ret, paths, 0);
}

bool azm_journal_has_all_files(sd_journal *j, const struct azm_config *c)
{
    uint64_t there = 0, used = 0;

    for (size_t i = 0; i < c->journal_files.n; i++) {
        struct stat st;

        if (stat(c->journal_files.items[i].key, &st) >= 0)
            there += (uint64_t)st.st_blocks * 512;
    }
    return sd_journal_get_usage(j, &used) < 0 || used >= there; /* they only grow */
}

int azm_journal_check_descriptors(struct azm_error *err)
{
    int spare[SPARE_DESCRIPTORS], error = 0;
    size_t n = 0;

    while (n < ELEMENTSOF(spare) && (spare[n] = open("/", O_PATH | O_CLOEXEC)) >= 0)
        n++;
    if (n < ELEMENTSOF(spare))
        error = errno;
    while (n > 0)
        close(spare[--n]);
    if (error != EMFILE && error != ENFILE)
        return 0;
    return azm_error_set(err, error,
                         "the journal: there may be files that cannot be opened (a higher LimitNOFILE= helps): %m");
}

int azm_journal_open_handle(const struct azm_config *c, sd_journal **ret, struct azm_error *err)
{
    static const int scopes[] = {
        [AZM_SCOPE_ALL] = 0, [AZM_SCOPE_SYSTEM] = SD_JOURNAL_SYSTEM, [AZM_SCOPE_USER] = SD_JOURNAL_CURRENT_USER};
    _cleanup_journal_ sd_journal *j = NULL;
    int r;

    if (c->journal_files.n > 0)
        r = open_files(&c->journal_files, &j);
    else if (*c->journal_directory)
        r = sd_journal_open_directory(&j, c->journal_directory, 0);
    else if (*c->journal_namespace)
        r = sd_journal_open_namespace(&j, c->journal_namespace, SD_JOURNAL_LOCAL_ONLY);
    else
        r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY | scopes[c->scope]);
    if (r < 0)
        return azm_error_set(err, r, "the journal: cannot open it: %m");
    r = sd_journal_set_data_threshold(j, AZM_JOURNAL_FIELD_MAX_BYTES);
    if (r < 0)
        return azm_error_set(err, r, "the journal: cannot set the size limit of fields: %m");
    r = azm_journal_check_descriptors(err);
    if (r < 0)
        return r;
    *ret = j;
    j = NULL;
    return 0;
}

/* SPDX-License-Identifier: MIT */
/* late_file [TRANSPORT]: moments that a stress test meets once in a hundred runs, staged; with [journal]
 * transports=TRANSPORT. After the reader's last look at the journal's files a user logs a first line, which makes a
 * file of its own, and then the system logs one: the reader finds the system's line first. And once both have a file:
 * libsystemd has just found nothing new in the user's when the user logs, and then the system, in whose file it looks
 * next; or, with a selection, it has found the user's line counted and not yet linked. Run by late_files.sh beside a
 * private journald; linked with --wrap=sd_journal_next. Prints TAP.
 */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "source/journal.h"

static enum { NOTHING, LATE_FILE, BETWEEN_LOOKS, NOT_YET_LINKED } moment;
static sd_journal *blind; /* this handle has looked for what was not yet linked, and looks no more */
static int checks, users = 4711;
static bool may_come_again; /* with a selection, and the uid that it has */
static bool failed;

static void must(bool ok, const char *what)
{
    if (!ok) {
        printf("Bail out! %s: %m\n", what);
        exit(1);
    }
}

static void log_line(uid_t uid, const char *line)
{
    const struct sockaddr_un journald = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
    pid_t child = fork();
    int status;

    must(child >= 0, "fork");
    if (child == 0) {
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        must(setgroups(0, NULL) == 0 && setgid(uid) == 0 && setuid(uid) == 0, "setuid");
        must(sendto(fd, line, strlen(line), 0, (const struct sockaddr *)&journald, sizeof journald) > 0, "sendto");
        _exit(0);
    }
    must(waitpid(child, &status, 0) == child && status == 0, "the child that logs");
    must(system("journalctl --sync") == 0, "journalctl --sync");
}

static void log_both(void)
{
    moment = NOTHING;
    log_line((uid_t)users, "MESSAGE=line of a user\n");
    log_line(0, "MESSAGE=line of the system\n");
}

int __real_sd_journal_next(sd_journal *j);
int __wrap_sd_journal_next(sd_journal *j);

static bool is_of_user(sd_journal *j)
{
    static const char line[] = "MESSAGE=line of a user";
    const void *data;
    size_t len;

    must(sd_journal_get_data(j, "MESSAGE", &data, &len) == 0, "MESSAGE");
    return len == sizeof line - 1 && memcmp(data, line, len) == 0;
}

int __wrap_sd_journal_next(sd_journal *j)
{
    bool overtaken = moment == BETWEEN_LOOKS;
    int r;

    if (moment == NOT_YET_LINKED)
        blind = j;
    if (moment != NOTHING)
        log_both();
    if (overtaken)
        must(__real_sd_journal_next(j) == 1, "the user's line");
    r = __real_sd_journal_next(j);
    return r > 0 && j == blind && is_of_user(j) ? __real_sd_journal_next(j) : r;
}

static bool is(const struct azm_record *rec, const char *body)
{
    return azm_text_equal(rec->body, azm_text_of(body));
}

static void check(bool ok, const char *what, int n)
{
    printf("%sok %d - %s (%d)\n", ok ? "" : "not ", ++checks, what, n);
    failed |= !ok;
}

static void read_all(struct azm_source *s)
{
    struct azm_record rec;
    struct azm_error err;

    while (s->ops->next(s, &rec, &err) > 0)
        ;
    must(s->ops->process(s, &err) >= 0, "process");
}

/* Reads on through it, with looks at the files in between, as the pipeline does. */
static void stage(struct azm_source *s, int which, const char *what)
{
    struct azm_record rec;
    struct azm_error err;
    int user = 0, system_line = 0, others = 0;
    uint8_t uid[sizeof rec.uid];
    bool same = true;

    printf("# %s\n", what);
    moment = which;
    for (int looks = 0; looks < 4; looks++) {
        while (s->ops->next(s, &rec, &err) > 0)
            if (is(&rec, "line of a user"))
                user++;
            else if (is(&rec, "line of the system")) {
                same &= system_line++ == 0 || memcmp(uid, rec.uid, sizeof uid) == 0;
                memcpy(uid, rec.uid, sizeof uid);
            } else
                others += !is(&rec, "line before");
        must(s->ops->process(s, &err) >= 0, "process");
    }
    check(user == 1, "the user's line is read, once", user);
    check(system_line == 1 || (may_come_again && system_line == 2 && same), "the line that overtook it is read",
          system_line);
    check(others == 0, "nothing else is, such as a gap", others);
}

int main(int argc, char **argv)
{
    struct azm_config config;
    struct azm_error err = {0};
    struct azm_source *s;

    must(azm_config_init(&config) == 0, "azm_config_init");
    config.start = AZM_START_OLDEST;
    if (argc > 1) {
        users++; /* its file is to appear, too */
        may_come_again = true;
        must(azm_config_set(&config, "journal", "transports", argv[1], "TRANSPORT", false, &err) == 0, err.words);
    }
    must(azm_journal_open(&(struct azm_journal_options){.config = &config, .state_dir_fd = -1}, &s, &err) == 0,
         "azm_journal_open");
    read_all(s);
    stage(s, LATE_FILE, "a file appears late");
    stage(s, BETWEEN_LOOKS, "a line comes between two looks");
    if (argc > 1) {
        log_line(0, "MESSAGE=line before\n");
        stage(s, NOT_YET_LINKED, "a line is counted, but not linked to what is selected by, when it is looked for");
    }
    printf("1..%d\n", checks);
    s->ops->free(s);
    azm_config_free(&config);
    return failed;
}

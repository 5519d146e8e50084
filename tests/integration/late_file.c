/* SPDX-License-Identifier: MIT */
/* The moment that a stress test meets once in a hundred runs, staged: after the reader's last look at the journal's
 * files a user logs a first line, which makes a file of its own, and then the system logs one. The reader finds the
 * system's line first. Run by late_files.sh beside a private journald; linked with --wrap=sd_journal_next. Prints TAP.
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

static bool armed;

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

int __real_sd_journal_next(sd_journal *j);
int __wrap_sd_journal_next(sd_journal *j);

int __wrap_sd_journal_next(sd_journal *j)
{
    if (armed) {
        armed = false;
        log_line(4711, "MESSAGE=late line of a user\n");
        log_line(0, "MESSAGE=line of the system\n");
    }
    return __real_sd_journal_next(j);
}

static bool is(const struct azm_record *rec, const char *body)
{
    return azm_text_equal(rec->body, azm_text_of(body));
}

int main(void)
{
    struct azm_config config;
    struct azm_error err = {0};
    struct azm_source *s;
    struct azm_record rec;
    int user = 0, system_line = 0;

    must(azm_config_init(&config) == 0, "azm_config_init");
    config.start = AZM_START_OLDEST;
    must(azm_journal_open(&(struct azm_journal_options){.config = &config, .state_dir_fd = -1}, &s, &err) == 0,
         "azm_journal_open");
    while (s->ops->next(s, &rec, &err) > 0)
        ;
    must(s->ops->process(s, &err) >= 0, "process");
    armed = true;
    for (int looks = 0; looks < 3; looks++) { /* with a look at the files in between, as the pipeline does */
        while (s->ops->next(s, &rec, &err) > 0) {
            user += is(&rec, "late line of a user");
            system_line += is(&rec, "line of the system");
        }
        must(s->ops->process(s, &err) >= 0, "process");
    }
    printf("%sok 1 - the line in the file that appeared late is read, once (%d)\n", user == 1 ? "" : "not ", user);
    printf("%sok 2 - the line that overtook it is read, once (%d)\n", system_line == 1 ? "" : "not ", system_line);
    printf("1..2\n");
    s->ops->free(s);
    azm_config_free(&config);
    return user != 1 || system_line != 1;
}

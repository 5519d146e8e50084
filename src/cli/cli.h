/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "config/config.h"

/* Exit codes, documented in azmonlog(1); the numbers above 1 are those of sysexits.h, which systemd names too. */
enum {
    AZM_EXIT_OK = 0,
    AZM_EXIT_FAILURE = 1,     /* something broke at run time */
    AZM_EXIT_NOT_RUNNING = 3, /* status and flush: no azmonlog is there to be asked */
    AZM_EXIT_USAGE = 64,      /* wrong options */
    /* run --once, backfill, flush, quarantine resend: not all is acknowledged yet; run it again */
    AZM_EXIT_UNDELIVERED = 75,
    AZM_EXIT_NO_PERMISSION = 77,
    AZM_EXIT_CONFIG = 78, /* the configuration is wrong */
};

#define AZM_DEFAULT_CONFIG SYSCONFDIR "/azmonlog/azmonlog.conf"

/* One assignment from the command line. */
struct cli_override {
    const char *section, *key, *value, *option;
};

#define CLI_OVERRIDES_MAX 64

struct cli_overrides {
    struct cli_override items[CLI_OVERRIDES_MAX];
    size_t n;
    bool too_many; /* there were more: an error, for none of them may be passed over */
};

void cli_override(struct cli_overrides *o, const char *section, const char *key, const char *value, const char *option);

/* Options of several commands that stand for a key of the configuration; more of them: journal_options.h. */
enum {
    CLI_OPT_ENDPOINT = 1024,
    CLI_OPT_STATE_DIRECTORY,
    CLI_OPT_CONTROL,
};

/* Takes over one option that getopt_long has found: true if it is one of these. */
bool cli_config_option(struct cli_overrides *o, int option, const char *value);

/* File (`path`, or the default one if it is there and `path` is NULL), drop-ins, environment, command line. Prints the
 * error and returns an exit code; 0 is success, and only then `c` is filled in. */
int cli_load_config(struct azm_config *c, const char *path, const struct cli_overrides *o);

/* The same, but the words of the error go to `err`. */
int cli_read_config(struct azm_config *c, const char *path, const struct cli_overrides *o, struct azm_error *err);

/* For the commands that ask a running azmonlog: only [journal] and [state] are looked at. The others need more
 * permission (certificates, files of headers) and may be what is wrong. */
int cli_load_client_config(struct azm_config *c, const char *path, const struct cli_overrides *o);

/* Does this file (NULL: the default one), or a drop-in of it, say where records go? */
bool cli_names_destination(const char *path);

/* Where the control socket of this configuration is: [state] control=, or else a place that follows from the state
 * directory, so that every azmonlog has its own. The caller frees it; NULL when memory is out. */
char *cli_control_path(const struct azm_config *c);

/* The words for a configuration without one: -ENOENT. `path`: its file; NULL: the default one. */
int cli_no_destination(const char *path, struct azm_error *err);

/* For a command that sends: prints what is wrong with the destination, or that there is none in the file at `path`
 * (NULL: the default one), and returns an exit code; 0 if all is well. */
int cli_check_destination(const struct azm_config *c, const char *path);

/* Prints the words of an error and returns the exit code that goes with it. */
int cli_fail(int error, const struct azm_error *err);

/* The two things that can be wrong with the words behind `command`: an option, about which getopt has said what it is;
 * an argument where none is taken. Both print where the help is and return the exit code. */
int cli_bad_option(const char *command);
int cli_no_argument(const char *command, const char *argument);

/* The time on the monotonic clock when this span has passed. */
uint64_t cli_deadline(uint64_t span_usec);

int cmd_run(int argc, char **argv);
int cmd_backfill(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_cat(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_flush(int argc, char **argv);
int cmd_quarantine(int argc, char **argv);

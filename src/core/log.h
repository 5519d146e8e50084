/* SPDX-License-Identifier: MIT */
#pragma once

#include "core/cleanup.h"

/* azmonlog's own messages, to standard error: state changes, not every failure; never secrets, never
 * the contents of records. The level and form are process-wide; set them before the first thread starts. */
enum azm_log_level {
    AZM_LOG_ERROR = 3, /* the numbers are syslog's severities */
    AZM_LOG_WARNING = 4,
    AZM_LOG_NOTICE = 5,
    AZM_LOG_INFO = 6,
    AZM_LOG_DEBUG = 7,
};

/* Messages above `level` are not written. When standard error is the journal (as for a service, or
 * under systemd-cat) each line starts with the `<N>` prefix of sd-daemon(3), else with "azmonlog: ". */
void azm_log_init(enum azm_log_level level);

/* From now on lines go to `sink` instead of standard error: NUL-terminated, without prefix and newline. It is called on
 * whatever thread has something to say; `name` is the thread's, see azm_log_as. NULL: standard error again. Set it
 * before the first thread starts. */
void azm_log_to(void (*sink)(enum azm_log_level level, const char *name, const char *line));

/* On whose behalf the calling thread speaks, where one process has several (actions of rsyslogd); "" at first. The name
 * is not copied. A thread that is started hands its starter's name on. */
void azm_log_as(const char *name);
const char *azm_log_name(void);

/* Writes one line with one write(2), so that lines of two threads never mix. */
void azm_log(enum azm_log_level level, const char *format, ...) _printf_(2, 3);

/* SPDX-License-Identifier: MIT */
#pragma once

#include "pipeline/service.h"

/* The metrics as a file for the textfile collector of Prometheus' node_exporter, replaced as a whole every
 * AZM_METRICS_FILE_USEC. One that cannot be written is logged, and tried again. Everything runs in the event loop. */

#define AZM_METRICS_FILE_USEC (15 * AZM_USEC_PER_SEC)

struct azm_metrics_file;

/* `path` and `service` must outlive it. 0 or -errno. */
int azm_metrics_file_new(sd_event *event, const char *path, struct azm_service *service, struct azm_metrics_file **ret,
                         struct azm_error *err);

/* Removes the file, so that nobody takes it for what is now; returns NULL. */
struct azm_metrics_file *azm_metrics_file_free(struct azm_metrics_file *m);

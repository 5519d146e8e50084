/* SPDX-License-Identifier: MIT */
#pragma once

#include "export/metrics_exporter.h"
#include "pipeline/service.h"

/* The metrics as OTLP, sent at even intervals to where [metrics] endpoint= or dce= says. They are measured and encoded
 * in the event loop; a thread of its own (export/metrics_exporter.h) has to do with the network. */

struct azm_metrics_push;

/* Begins at once, with the identity of logs. `service` must outlive it; `c` need not. 0, -ENOMEM, or -EINVAL if the
 * configuration does not make sense. */
int azm_metrics_push_new(sd_event *event, const struct azm_config *c, struct azm_service *service,
                         struct azm_metrics_push **ret, struct azm_error *err);

/* At once; returns NULL. */
struct azm_metrics_push *azm_metrics_push_free(struct azm_metrics_push *m);

/* The same at the end of the process: the last figures are sent before, if that takes no longer than a second. */
struct azm_metrics_push *azm_metrics_push_end(struct azm_metrics_push *m);

struct azm_metrics_exporter *azm_metrics_push_exporter(struct azm_metrics_push *m);

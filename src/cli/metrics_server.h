/* SPDX-License-Identifier: MIT */
#pragma once

#include "pipeline/service.h"

/* The metrics over HTTP (GNU libmicrohttpd): /metrics, /healthz, /readyz; docs/metrics.md says what they answer.
 *
 * A thread of its own has to do with the clients, whose number, time and memory are bounded: none of them holds up
 * anything but another one. What it tells it asks the event loop for, not more often than once a second; that the loop
 * answers is what /healthz is about. */
struct azm_metrics_server;

/* `listen_at` is what azm_listen_address takes; `service` must outlive the server. 0 or -errno; -ENOTSUP without
 * libmicrohttpd. */
int azm_metrics_server_new(sd_event *event, const char *listen_at, struct azm_service *service,
                           struct azm_metrics_server **ret, struct azm_error *err);

/* Ends the thread; returns NULL. */
struct azm_metrics_server *azm_metrics_server_free(struct azm_metrics_server *s);

/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "core/record.h"

/* Where records may go to, as the configuration lists it: words with blanks in between, of which each host uses one. A
 * data collection rule takes so many requests and bytes a minute (facts/azure.md 1.4), so a large fleet needs several;
 * and all records of a host go to one of them, so that their order and the position stay simple. */

size_t azm_places_count(const char *list);

/* The i-th, from 0; it belongs to `list`. Empty behind the last one. */
struct azm_text azm_places_get(const char *list, size_t i);

/* Which of them is that of this host, from 0; 0 if there is none. By rendezvous hashing (Thaler and Ravishankar 1998):
 * hosts spread evenly, their order in the list does not matter, and of a place that comes or goes no host moves but
 * those that it gets or had. */
size_t azm_places_choose(const char *list, const char *host);

/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/utf8.h"
#include "stream/redis.h"

/* By the first word of an error; the first row that fits counts. `part`: the error has these words, too; NULL: any. */
static const struct rule {
    const char *code, *part;
    enum azm_meaning meaning;
    const char *remedy;
} rules[] = {
    {"NOAUTH", NULL, AZM_UNAUTHORIZED,
     "Redis wants to know who this is: a user in the URL (redis://USER@HOST/STREAM), its password in password_file="},
    {"WRONGPASS", NULL, AZM_UNAUTHORIZED,
     "check the user in the URL and what is in password_file=; ACL GETUSER USER in redis-cli shows whether it is on"},
    {"ERR", "AUTH", AZM_UNAUTHORIZED,
     "this Redis has no password for its default user: name a user of its own in the URL, or take the password away"},
    {"ERR", "invalid password", AZM_UNAUTHORIZED, "check what is in password_file="},
    {"NOPERM", NULL, AZM_MISCONFIGURED,
     "the user may not do this; docs/delivery.md, \"Through Redis\", has the ACL rules for hosts and for relays"},
    {"READONLY", NULL, AZM_MISCONFIGURED,
     "this is a replica: the URL has to name the master, or a name that follows it when it changes"},
    {"OOM", NULL, AZM_OVERLOADED,
     "Redis is full: are the relays at work (azmonlog status there)? else raise its maxmemory; records wait here"},
    {"MISCONF", NULL, AZM_MISCONFIGURED,
     "Redis cannot write its snapshot or log to disk: look into its log, free the disk"},
    {"WRONGTYPE", NULL, AZM_MISCONFIGURED,
     "the key in the URL is there, and is no stream: name another one, or delete it (TYPE KEY in redis-cli)"},
    {"MOVED", NULL, AZM_MISCONFIGURED,
     "the nodes of this cluster send each other's clients in circles: look at CLUSTER NODES in redis-cli"},
    {"ASK", NULL, AZM_OVERLOADED, NULL},
    {"TRYAGAIN", NULL, AZM_OVERLOADED, NULL},
    {"CLUSTERDOWN", NULL, AZM_OVERLOADED, "look at CLUSTER INFO in redis-cli"},
    {"MASTERDOWN", NULL, AZM_OVERLOADED, NULL},
    {"LOADING", NULL, AZM_OVERLOADED, NULL},
    {"BUSY", NULL, AZM_OVERLOADED, "a script blocks Redis: SCRIPT KILL in redis-cli"},
    {"NOREPLICAS", NULL, AZM_OVERLOADED,
     "Redis has fewer replicas than its min-replicas-to-write wants: look at INFO replication in redis-cli"},
    {"UNBLOCKED", NULL, AZM_OVERLOADED, NULL},
    {"NOGROUP", NULL, AZM_OVERLOADED, NULL}, /* it is made again */
    {"ERR", "max number of clients", AZM_OVERLOADED, "raise maxclients of Redis, or let fewer hosts write to it"},
    {"ERR", "unknown command", AZM_MISCONFIGURED,
     "this Redis is too old, or does not allow the command: Redis 6.2 or later is needed"},
    {"ERR", "exceeds maximum allowed", AZM_TOO_LARGE,
     "Redis takes only smaller messages: raise its proto-max-bulk-len, or lower [batch] max_request_bytes"},
    {"ERR", "invalid bulk length", AZM_TOO_LARGE,
     "Redis takes only smaller messages: raise its proto-max-bulk-len, or lower [batch] max_request_bytes"},
    {"ERR", "equal or smaller than the target stream top item", AZM_MISCONFIGURED,
     "the stream has an entry with the highest possible id, so that none can follow: use another stream"},
};

static bool has(const char *error, size_t len, const char *part)
{
    return memmem(error, len, part, strlen(part));
}

void azm_redis_understand(const char *error, size_t len, struct azm_stream_answer *ret)
{
    static const size_t room = sizeof ret->words - sizeof "Redis: ";
    size_t code = 0, shown;
    const char *args;

    *ret = (struct azm_stream_answer){.meaning = AZM_MISCONFIGURED,
                                      .remedy = "look into the log of Redis; is it Redis 6.2 or later?"};
    while (code < len && !isspace((unsigned char)error[code]))
        code++;
    for (size_t i = 0; i < ELEMENTSOF(rules); i++)
        if (strlen(rules[i].code) == code && memcmp(rules[i].code, error, code) == 0 &&
            (!rules[i].part || has(error, len, rules[i].part))) {
            ret->meaning = rules[i].meaning;
            ret->remedy = rules[i].remedy;
            break;
        }
    args = memmem(error, len, ", with args", 11); /* it repeats what it was sent */
    shown = azm_utf8_valid_prefix(error, args ? (size_t)(args - error) : len);
    if (shown > room)
        shown = azm_utf8_cut(error, room);
    snprintf(ret->words, sizeof ret->words, "Redis: %.*s", (int)shown, error);
    azm_utf8_blank_controls(ret->words, strlen(ret->words));
}

bool azm_redis_place(const char *error, size_t len, char ret[static 300], bool *ret_ask)
{
    bool moved = len > 6 && memcmp(error, "MOVED ", 6) == 0;
    const char *place, *colon, *end = error + len;
    size_t n;

    *ret_ask = len > 4 && memcmp(error, "ASK ", 4) == 0;
    if (!moved && !*ret_ask)
        return false;
    place = memrchr(error, ' ', len); /* there is one */
    place++;
    n = (size_t)(end - place);
    colon = memrchr(place, ':', n);
    if (!colon || colon + 1 == end || n >= 299)
        return false;
    for (const char *p = place; p < end; p++)
        if (p > colon ? !isdigit((unsigned char)*p)
                      : !isalnum((unsigned char)*p) && *p != '.' && *p != '-' && *p != ':' && *p != '_')
            return false;
    /* An IPv6 address comes without brackets. A host that is not named is the same host; one that is "?" is none. */
    if (memchr(place, ':', (size_t)(colon - place)))
        snprintf(ret, 300, "[%.*s]%.*s", (int)(colon - place), place, (int)(end - colon), colon);
    else
        snprintf(ret, 300, "%.*s", (int)n, place);
    return true;
}

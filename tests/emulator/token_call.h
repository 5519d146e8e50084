/* SPDX-License-Identifier: MIT */
/* One request for a token, on its way through the endpoint that it went to. Belongs to its connection's thread. */
#pragma once

#include "answer.h"
#include "arc_keys.h"
#include "assertion.h"
#include "form.h"
#include "identities.h"
#include "tokens.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the endpoints share; each part guards itself. */
struct emu_desk {
    const struct emu_identities *identities;
    struct emu_tokens *tokens;
    struct emu_arc_keys *arc_keys; /* NULL = this machine has no Arc */
    struct emu_assertions *assertions;
    const char *identity_header; /* App Service's secret */
};

/* What was asked for, as the log has it. Borrowed; NULL = not at all. */
struct emu_asked {
    const char *api_version;
    const char *resource;
    const char *scope;
    const char *client_id;
    const char *object_id;
    const char *resource_id;
};

struct emu_endpoint;

struct emu_token_call {
    const struct emu_desk *desk;
    const struct emu_endpoint *endpoint;
    struct MHD_Connection *connection;
    const char *method;
    const char *path;
    const struct emu_buf *body;
    uint64_t wire_bytes;
    bool played; /* the script answers: the request is judged all the same, but nothing comes of it */

    struct emu_form form; /* Entra's kind of body */
    struct emu_asked asked;
    struct emu_answer answer;
    char
        problem[EMU_PROBLEM_BYTES]; /* why there is no token; "" = there is one, or the first half of Arc's way to it */
    const struct emu_identity *known; /* who got it, NULL = nobody */
    enum emu_credential credential;   /* how */
    struct emu_token token;
};

/* One kind of endpoint. */
struct emu_endpoint {
    const char *kind;
    bool (*owns)(const char *path);

    /* Answers the request. 0 or -ENOMEM. */
    int (*serve)(struct emu_token_call *call);

    /* An error in the endpoint's own form. 0 or -ENOMEM. */
    int (*error)(struct emu_answer *answer, unsigned status, const char *code, const char *message);
};

extern const struct emu_endpoint emu_endpoint_entra, emu_endpoint_imds, emu_endpoint_arc, emu_endpoint_app_service;

/* The steps of an endpoint return 0 to go on; 1 when the call has its answer; -ENOMEM. */
typedef int (*emu_call_step)(struct emu_token_call *call);

/* Runs the steps, up to a NULL. 0 or -ENOMEM. */
int emu_call_run(struct emu_token_call *call, const emu_call_step *steps);

/* Answers with an error. 1 or -ENOMEM. */
int emu_call_refuse(struct emu_token_call *call, unsigned status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Answers with the JSON value, and releases it. 1 or -ENOMEM. */
int emu_call_answer(struct emu_token_call *call, json_t *value);

const char *emu_call_header(const struct emu_token_call *call, const char *name);

/* Issues the token. 0 or -ENOMEM. */
int emu_call_issue(struct emu_token_call *call, const struct emu_identity *identity, enum emu_credential credential,
                   const char *resource);

/* A variable of the query and where its value goes. */
struct emu_query {
    const char *name;
    const char **to;
};

/* A step: takes the query apart. Others than the known ones are refused: they would be typing errors. */
int emu_call_query(struct emu_token_call *call, const struct emu_query *known, size_t count);

/* A step: the method is GET. */
int emu_call_get(struct emu_token_call *call);

/* A step: finds the managed identity that was asked for. `missing` = what is said when there is none. */
int emu_call_managed(struct emu_token_call *call, const char *missing, const struct emu_identity **ret);

/* A number as a text, the form in which managed identities have theirs. */
json_t *emu_call_number(int64_t number);

void emu_call_free(struct emu_token_call *call);

/* The error of IMDS and Arc: error and error_description. */
int emu_oauth_error(struct emu_answer *answer, unsigned status, const char *code, const char *message);

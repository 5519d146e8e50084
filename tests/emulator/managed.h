/* SPDX-License-Identifier: MIT */
/* What IMDS and Arc have in common. */
#pragma once

#include "token_call.h"

/* Steps. */

/* There is the header "Metadata: true", in this spelling. */
int emu_managed_metadata(struct emu_token_call *call);

/* Takes the query apart. */
int emu_managed_query(struct emu_token_call *call);

/* A resource was asked for, and there is one of this name. */
int emu_managed_resource(struct emu_token_call *call);

/* Finds the identity and answers with a token. */
int emu_managed_answer(struct emu_token_call *call, enum emu_credential credential);

/* SPDX-License-Identifier: MIT */
#pragma once

#include "auth/token.h"

/* Has the thread look at the clock again, for tests that move it. */
void azm_tokens_look_again(struct azm_tokens *t);
